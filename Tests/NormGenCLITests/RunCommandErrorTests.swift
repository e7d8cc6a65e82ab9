import Foundation
import NormGen
import NormGenFiles
import Testing

/// Requests that `run` refuses: with which words, which status, and that no file changes.
@Suite struct RunCommandErrorTests {
  private static let layerNorm = "layer_norm_384_f32"

  /// A directory with an old output and a tensor for every parameter of the kernel.
  private func directory() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write("old", to: "y.npy")
    let file = try SafetensorsFile(TensorFixture.realTensors)
    for name in ["x", "gain", "shift"] {
      try NpyFile.write(try file.load(name), to: directory.path("\(name).npy"))
    }
    return directory
  }

  /// Runs the kernel and expects it to be refused with a message, leaving all files as they were.
  private func expect(
    _ message: String, status: Int32 = 1, in directory: TestDirectory,
    inputs: [String] = ["x=x.npy", "gain=gain.npy", "shift=shift.npy"],
    outputs: [String] = ["y=y.npy"], options: [String] = [],
    location: Testing.SourceLocation = #_sourceLocation
  ) throws {
    let before = directory.files
    let result = try CommandLineFixture.normgen(
      ["run", Self.layerNorm] + options + ["--input"] + inputs + ["--output"] + outputs,
      in: directory)
    #expect(result.status == status, sourceLocation: location)
    #expect(
      result.errors.contains(message), "\(result.errors)", sourceLocation: location)
    #expect(result.errors.hasPrefix("error: "), sourceLocation: location)
    #expect(result.output.isEmpty, sourceLocation: location)
    #expect(try directory.text(of: "y.npy") == "old", sourceLocation: location)
    #expect(directory.files == before, sourceLocation: location)
  }

  @Test func namesMustBeTheKernels() throws {
    let directory = try directory()
    try expect(
      "'layer_norm_384_f32' needs a tensor for gain, shift", in: directory, inputs: ["x=x.npy"])
    try expect(
      "has no input 'y'; inputs: x, gain, shift", in: directory,
      inputs: ["x=x.npy", "gain=gain.npy", "shift=shift.npy", "y=x.npy"])
    try expect(
      "has no output 'z'; outputs: y", in: directory, outputs: ["y=y.npy", "z=z.npy"])
    try expect(
      "--input: 'x' is assigned twice", status: 64, in: directory,
      inputs: ["x=x.npy", "gain=gain.npy", "shift=shift.npy", "x=x.npy"])
    try expect(
      "--output: 'y' is assigned twice", status: 64, in: directory,
      outputs: ["y=y.npy", "y=z.npy"])
  }

  @Test func assignmentsMustNameTensors() throws {
    let directory = try directory()
    for text in ["x.npy", "=x.npy"] {
      try expect(
        "--input: expected NAME=FILE, found '\(text)'", status: 64, in: directory,
        inputs: [text])
    }
    try expect(
      "--input: x='x.txt': expected FILE.npy, FILE.safetensors:NAME or FILE.gguf:NAME",
      status: 64, in: directory, inputs: ["x=x.txt"])
    try expect(
      "--output: y='y.npy:y': expected FILE.npy without ':NAME'", status: 64, in: directory,
      outputs: ["y=y.npy:y"])
    try expect(
      "input 'x': '\(TensorFixture.realTensors)': there is no tensor 'nope'; it holds "
        + "'expected', 'gain', 'shift', 'x'", in: directory,
      inputs: ["x=\(TensorFixture.realTensors):nope", "gain=gain.npy", "shift=shift.npy"])
    let result = try CommandLineFixture.normgen(
      ["run", Self.layerNorm, "--input", "x=x.npy"], in: directory)
    #expect(result.status == 64)
    #expect(result.errors.contains("--output: expected at least one NAME=FILE"))
  }

  @Test func filesMustHoldTheParametersTensors() throws {
    let directory = try directory()
    func expectOfX(_ message: String, _ bytes: Data) throws {
      try directory.write(bytes, to: "bad.npy")
      try expect(
        "error: input 'x': 'bad.npy': \(message)", in: directory,
        inputs: ["x=bad.npy", "gain=gain.npy", "shift=shift.npy"])
    }
    func header(_ type: String, _ shape: String, order: String = "False") -> String {
      "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }"
    }
    try expectOfX(
      "expected f32 (.npy '<f4', .safetensors 'F32', .gguf 'f32' and blocks), found '<f8'",
      TensorFixture.npy(header("<f8", "(1, 384)"), elementBytes: 8 * 384))
    try expectOfX(
      "expected C order, found Fortran order",
      TensorFixture.npy(header("<f4", "(2, 384)", order: "True"), elementBytes: 8 * 384))
    try expectOfX(
      "expected little-endian elements, found '>f4'",
      TensorFixture.npy(header(">f4", "(1, 384)"), elementBytes: 4 * 384))
    let row = TensorFixture.npy(header("<f4", "(1, 384)"), elementBytes: 4 * 384)
    try expectOfX(
      "truncated: expected \(row.count) bytes, found \(row.count - 1)", row.dropLast(1))
    try expectOfX(
      "bytes after the last element: expected \(row.count) bytes, found \(row.count + 1)",
      row + [0])
    try expectOfX(
      "expected shape [rows, 384], found [384]",
      TensorFixture.npy(header("<f4", "(384,)"), elementBytes: 4 * 384))
    try expectOfX(
      "expected shape [rows, 384], found []",
      TensorFixture.npy(header("<f4", "()"), elementBytes: 4))
    try FileManager.default.removeItem(atPath: directory.path("bad.npy"))
    try expect(
      "input 'x': 'bad.npy': can't open: No such file or directory", in: directory,
      inputs: ["x=bad.npy", "gain=gain.npy", "shift=shift.npy"])
    // A safetensors header that claims more than the file has.
    try directory.write(Data([UInt8](repeating: 0xff, count: 64)), to: "w.safetensors")
    try expect(
      "'w.safetensors': expected a header of at most 56 bytes, found one of "
        + "18446744073709551615", in: directory,
      inputs: ["x=w.safetensors:x", "gain=gain.npy", "shift=shift.npy"])
  }

  @Test func tensorsMustHaveEquallyManyRows() throws {
    let directory = try TestDirectory()
    try NpyFile.write(HostTensor(zeros: [2, 4096], .f32), to: directory.path("x.npy"))
    try NpyFile.write(HostTensor(zeros: [3, 4096], .f32), to: directory.path("r.npy"))
    try NpyFile.write(HostTensor(zeros: [4096], .f32), to: directory.path("g.npy"))
    let result = try CommandLineFixture.normgen(
      [
        "run", "add_rms_norm_4096_f32", "--input", "x=x.npy", "residual=r.npy", "gain=g.npy",
        "--output", "normed=y.npy",
      ], in: directory)
    #expect(result.status == 1)
    #expect(
      result.errors
        == "error: input 'residual': 'r.npy': expected 2 rows like 'x', found 3\n")
  }

  @Test func tensorsThatDoNotFitMemoryAreRefused() throws {
    let directory = try TestDirectory()
    try directory.write(
      """
      kernel outer(x: f32[rows, 1], g: f32[1000000]) {
        y = x * g
      } -> y

      """, to: "outer.ng")
    // Two files of four megabytes, whose product has four bytes for each pair of elements.
    try NpyFile.write(HostTensor(zeros: [1_000_000, 1], .f32), to: directory.path("x.npy"))
    try NpyFile.write(HostTensor(zeros: [1_000_000], .f32), to: directory.path("g.npy"))
    let result = try CommandLineFixture.normgen(
      ["run", "outer.ng", "--input", "x=x.npy", "g=g.npy", "--output", "y=y.npy"],
      in: directory)
    #expect(result.status == 1)
    #expect(
      result.errors.contains("on 1000000 rows take 4000008000000 bytes"), "\(result.errors)")
    #expect(directory.files == ["g.npy", "outer.ng", "x.npy"])
  }

  @Test func outputsThatCannotBeWrittenChangeNothing() throws {
    let directory = try directory()
    try expect(
      "'missing/y.npy': can't create: No such file or directory", in: directory,
      outputs: ["y=missing/y.npy"])
    try expect(
      "'x.npy/y.npy': can't create: Not a directory", in: directory,
      outputs: ["y=x.npy/y.npy"])
    // Nobody may create files there, not even the superuser.
    try expect("'/proc/y.npy': can't create: ", in: directory, outputs: ["y=/proc/y.npy"])
    try FileManager.default.createDirectory(
      atPath: directory.path("d.npy"), withIntermediateDirectories: false)
    try expect("'d.npy': expected a regular file", in: directory, outputs: ["y=d.npy"])
  }

  @Test func aFullDiskKeepsTheOldOutput() throws {
    let directory = try directory()
    let before = directory.files
    // Files may have 4096 bytes at most: writing stops in the middle of the elements.
    let arguments = [
      try CommandLineFixture.toolPath(), "run", Self.layerNorm, "--input", "x=x.npy",
      "gain=gain.npy", "shift=shift.npy", "--output", "y=y.npy",
    ]
    let result = try CommandLineFixture.run(
      "sh", ["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"] + arguments, in: directory)
    #expect(result.status == 1)
    #expect(result.errors == "error: 'y.npy': can't write: File too large\n")
    #expect(try directory.text(of: "y.npy") == "old")
    #expect(directory.files == before)
  }

  @Test func sourcesThatAreNotTheKernelAreRefused() throws {
    let directory = try directory()
    try directory.write("int y = ;", to: "broken.c")
    try expect(
      "error: broken.c: ", in: directory, options: ["--source", "broken.c"])
    try expect("expected expression", in: directory, options: ["--source", "broken.c"])
    try directory.write("int y;", to: "other.c")
    try expect("undefined symbol", in: directory, options: ["--source", "other.c"])
    try expect("absent.c: ", in: directory, options: ["--source", "absent.c"])
  }
}
