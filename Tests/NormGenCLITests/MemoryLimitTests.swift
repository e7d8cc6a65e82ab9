import Foundation
import Testing

/// Files that claim more than a process may have are errors in words, not the end of the process.
@Suite struct MemoryLimitTests {
  private static let kernel = "kernel k4(x: f32[rows, 4]) {\n  y = x + 1.0\n} -> y: f32\n"

  /// Runs a kernel on a file in a process that may have so much memory.
  private func run(
    _ input: String, in directory: TestDirectory, kibibytes: Int
  ) throws -> ProgramResult {
    let kernel = try directory.write(Self.kernel, to: "k4.ng")
    return try normgen(
      ["run", kernel, "--input", "x=\(input)", "--output", "y=y.npy"], in: directory,
      kibibytes: kibibytes)
  }

  private func normgen(
    _ arguments: [String], in directory: TestDirectory, kibibytes: Int
  ) throws -> ProgramResult {
    try CommandLineFixture.run(
      "/bin/sh",
      [
        "-c", "ulimit -v \(kibibytes) && exec \"$0\" \"$@\"", try CommandLineFixture.toolPath(),
      ] + arguments, in: directory)
  }

  /// A file with this beginning and four gigabytes of a hole.
  private func sparse(_ name: String, _ header: [UInt8], in directory: TestDirectory) throws {
    try Data(header).write(to: URL(fileURLWithPath: directory.path(name)))
    try #require(truncate(directory.path(name), off_t(header.count) + 4 << 30) == 0)
  }

  @Test(arguments: ["x.npy", "x.safetensors", "x.gguf"], [3_000_000, 6_500_000])
  func aTensorThatTheLimitForbidsIsAnErrorInWords(name: String, kibibytes: Int) throws {
    let directory = try TestDirectory()
    let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (268435456, 4), }"
    let padded = dictionary + String(repeating: " ", count: 117 - dictionary.utf8.count) + "\n"
    let npy: [UInt8] =
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(padded.utf8.count), 0] + Array(padded.utf8)
    let json = Array(
      #"{"x":{"dtype":"F32","shape":[268435456,4],"data_offsets":[0,4294967296]}}"#.utf8)
    let safetensors = [UInt8(json.count), 0, 0, 0, 0, 0, 0, 0] + json
    let gguf = [UInt8](TensorFixture.gguf([("x", [4, 268_435_456], 0, [])]))
    let headers = ["x.npy": npy, "x.safetensors": safetensors, "x.gguf": gguf]
    try sparse(name, try #require(headers[name]), in: directory)
    let result = try run(name, in: directory, kibibytes: kibibytes)
    #expect(!result.endedBySignal && result.status == 1, "\(result.status): \(result.errors)")
    #expect(result.errors.contains("error: ") && result.errors.contains("4294967296 bytes"))
    // The input fits the greater limit, but not the output beside it.
    #expect(result.errors.contains(kibibytes < 4_000_000 ? name : "'y'"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: directory.path("y.npy")))
  }

  /// The tensor fits the limit, but not its blocks beside it.
  @Test func blocksThatTheLimitForbidsAreAnErrorInWords() throws {
    let directory = try TestDirectory()
    let header = [UInt8](TensorFixture.gguf([("x", [64, 16_777_216], 0, [])]))
    try sparse("x.gguf", header, in: directory)
    let result = try normgen(
      ["quantize", "x.gguf", "--format", "q8_0", "--output", "q.gguf"], in: directory,
      kibibytes: 5_400_000)
    #expect(!result.endedBySignal && result.status == 1, "\(result.status): \(result.errors)")
    #expect(
      result.errors == "error: 'x.gguf': the system has no memory for 1140850688 bytes\n")
    #expect(directory.files == ["x.gguf"])
  }
}
