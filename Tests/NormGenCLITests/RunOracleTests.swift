import Foundation
import NormGen
import NormGenFiles
import Testing

@Suite struct RunOracleTests {
  private func fixture() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write(
      """
      kernel norm(x: bf16[rows, 5]) {
        y = rms_norm(x, epsilon: 1e-6)
      } -> y: f32

      """, to: "norm.ng")
    try NpyFile.write(
      TensorFixture.tensor([3, 5], .bf16, seed: 1), to: directory.path("x.npy"))
    return directory
  }

  private let arguments = ["run", "norm.ng", "--input", "x=x.npy"]

  /// The Float64 elements of a file that `run` wrote, behind a header of 128 bytes.
  private func doubles(
    _ name: String, _ directory: TestDirectory, shape: String = "(3, 5)"
  ) throws -> [Double] {
    let bytes = try directory.bytes(of: name)
    let header = String(decoding: bytes[10..<128], as: UTF8.self)
    #expect(header.contains("'descr': '<f8'") && header.contains("'shape': \(shape),"))
    return bytes[128...].withUnsafeBytes { elements in
      (0..<elements.count / 8).map {
        Double(
          bitPattern: elements.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self).littleEndian)
      }
    }
  }

  @Test func theOracleAndItsBoundAreWritten() throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(
      arguments + ["--output", "y=y.npy", "--oracle", "y=v.npy", "--bound", "y=b.npy"],
      in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.output
        == "y: f32[3, 5] in y.npy\noracle of y: f64[3, 5] in v.npy\nbound of y: f64[3, 5] in b.npy\n"
    )
    let graph = try #require(
      try GraphParser.graphs(in: try directory.text(of: "norm.ng"), file: "norm.ng").first)
    let x = try NpyFile(directory.path("x.npy")).load(as: .bf16)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: 3, inputs: ["x": x])[0]
    #expect(try doubles("v.npy", directory) == oracle.map(\.value))
    #expect(try doubles("b.npy", directory) == oracle.map(\.error))
    #expect(oracle.contains { $0.error > 0 })
  }

  /// In the output's own type and in a file of either format; nothing is compiled.
  @Test(arguments: ["e.npy", "e.safetensors"])
  func theExactOutputIsWritten(file: String) throws {
    let directory = try fixture()
    try directory.write(
      "kernel norm(x: bf16[rows, 5]) {\n  y = rms_norm(x, epsilon: 1e-6)\n} -> y: bf16\n",
      to: "norm.ng")
    let result = try CommandLineFixture.normgen(
      arguments + ["--exact", "y=\(file)", "--output", "y=y.npy"], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("\nexact of y: bf16[3, 5] in \(file)"), "\(result.output)")
    let exact =
      file == "e.npy"
      ? try NpyFile(directory.path(file)).load(as: .bf16)
      : try SafetensorsFile(directory.path(file)).load("y", as: .bf16)
    let own = try NpyFile(directory.path("y.npy")).load(as: .bf16)
    #expect(exact.shape == own.shape && exact.elementBytes == own.elementBytes)
  }

  /// Whichever output is named, all that are written are judged.
  @Test(arguments: [["y=y.npy", "z=z.npy"], ["z=z.npy"]])
  func allWrittenOutputsOfASourceAreJudged(outputs: [String]) throws {
    let directory = try fixture()
    try directory.write(
      "kernel norm(x: bf16[rows, 5]) {\n} -> y: f32 = x * 2.0, z: f32 = x * 3.0\n", to: "norm.ng")
    let emitted = try CommandLineFixture.normgen(
      ["emit", "norm.ng", "--target", "portable"], in: directory)
    #expect(emitted.status == 0, "\(emitted.errors)")
    let text = try directory.text(of: "norm_portable.c")
    try directory.write(text.replacing("3.0f", with: "3.5f"), to: "edited.c")
    let result = try CommandLineFixture.normgen(
      arguments + ["--target", "portable", "--source", "edited.c", "--output"] + outputs
        + ["--exact", "y=e.npy"], in: directory)
    #expect(result.status == 1)
    #expect(result.output.contains("\nz: 15 of 15 elements have wrong bits"), "\(result.output)")
  }

  /// A sum over the rows has one row's extents, whatever the number of rows.
  @Test func outputsWithoutRowsHaveAnOracle() throws {
    let directory = try fixture()
    try directory.write(
      "kernel sums(x: bf16[rows, 5]) {\n  s = sum_rows(x)\n} -> s: f32\n", to: "sums.ng")
    let result = try CommandLineFixture.normgen(
      [
        "run", "sums.ng", "--input", "x=x.npy", "--output", "s=s.npy", "--oracle", "s=v.npy",
        "--bound", "s=b.npy",
      ], in: directory)
    #expect(
      result.output
        == "s: f32[5] in s.npy\noracle of s: f64[5] in v.npy\nbound of s: f64[5] in b.npy\n",
      "\(result.errors)")
    let values = try doubles("v.npy", directory, shape: "(5,)")
    let bounds = try doubles("b.npy", directory, shape: "(5,)")
    let sums = try NpyFile(directory.path("s.npy")).load(as: .f32)
    for index in 0..<5 { #expect(abs(sums[index] - values[index]) <= bounds[index]) }
  }

  @Test func theOracleNeedsNoOutput() throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(
      arguments + ["--bound", "y=b.npy"], in: directory)
    #expect(result.output == "bound of y: f64[3, 5] in b.npy\n", "\(result.errors)")
    #expect(directory.files == ["b.npy", "norm.ng", "x.npy"])
  }

  @Test(arguments: [
    (["--oracle", "y=v.safetensors"], 64, "--oracle: y: expected FILE.npy, found 'v.safetensors'"),
    (["--exact", "z=b.npy"], 1, "'norm' has no output 'z'"),
    (["--exact", "y=e.npy", "--bound", "y=e.npy"], 1, "e.npy"),
    (["--bound", "z=b.npy"], 1, "'norm' has no output 'z'"),
    (["--oracle", "y=v.npy", "--source", "k.c"], 64, "--source: expected an --output"),
  ])
  func badRequestsWriteNothing(_ options: [String], _ status: Int32, _ message: String) throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(arguments + options, in: directory)
    #expect(result.status == status)
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(directory.files == ["norm.ng", "x.npy"])
  }
}
