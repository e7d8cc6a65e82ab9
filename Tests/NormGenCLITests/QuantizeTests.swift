import Foundation
import NormGen
import NormGenFiles
import Testing

/// `quantize` as a process: what it writes, and what it refuses.
@Suite struct QuantizeTests {
  /// Tensors of all types and kinds of files, with rows of two blocks.
  private func fixture() throws -> TestDirectory {
    let directory = try TestDirectory()
    let tensor = try TensorFixture.tensor([3, 64], .f32, seed: 5)
    let bf16 = try HostTensor(tensor.doubles, shape: [3, 64], .bf16)
    try NpyFile.write(tensor, to: directory.path("x.npy"))
    try NpyFile.write(bf16, to: directory.path("bf16.npy"))
    try SafetensorsFile.write(
      [
        ("gate", tensor), ("bf16", bf16), ("short", try HostTensor(zeros: [2, 40], .f32)),
        ("f16", try HostTensor(tensor.doubles, shape: [3, 64], .f16)),
        ("quants", try HostTensor(zeros: [32], .i8)),
        ("deep", try HostTensor(zeros: [1, 1, 1, 1, 32], .f32)),
        ("bad", try HostTensor((0..<64).map { $0 == 40 ? .nan : 1 }, shape: [2, 32], .f32)),
        ("large", try HostTensor((0..<64).map { $0 < 32 ? 1 : 1e6 }, shape: [2, 32], .f32)),
        (Self.long, try HostTensor(zeros: [32], .f32)),
      ], to: directory.path("w.safetensors"))
    try SafetensorsFile.write([("only", tensor)], to: directory.path("one.safetensors"))
    try directory.write(
      TensorFixture.gguf([("blk.0.w", [64, 3], 0, tensor.elementBytes)]), to: "m.gguf")
    return directory
  }

  private func quantize(
    _ arguments: String..., in directory: TestDirectory
  ) throws -> ProgramResult {
    try CommandLineFixture.normgen(["quantize"] + arguments, in: directory)
  }

  /// The blocks of the seeded tensor in a type.
  private func expected(_ storage: DType, _ format: BlockFormat) throws -> [UInt8] {
    let values = try TensorFixture.tensor([3, 64], .f32, seed: 5).doubles
    let blocks = try BlockQuantizer(format).quantize(
      HostTensor(values, shape: [3, 64], storage))
    return blocks.withUnsafeBytes { [UInt8]($0) }
  }

  @Test(arguments: BlockQuantizer.formats) func blocksAreWritten(_ format: BlockFormat) throws {
    let directory = try fixture()
    for (tensor, storage, name, options) in [
      ("w.safetensors:gate", .f32, "gate", []), ("w.safetensors:bf16", .bf16, "bf16", []),
      ("w.safetensors:f16", .f16, "w", ["--name", "w"]), ("one.safetensors", .f32, "only", []),
      ("m.gguf", .f32, "blk.0.w", []), ("m.gguf:blk.0.w", .f32, "zwölf", ["--name", "zwölf"]),
      ("x.npy", .f32, "w", ["--name", "w"]),
      ("bf16.npy", .bf16, "w", ["--name", "w", "--storage", "bf16"]),
    ] as [(String, DType, String, [String])] {
      let result = try CommandLineFixture.normgen(
        ["quantize", tensor, "--format", format.name, "--output", "q.gguf"] + options, in: directory
      )
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
      #expect(result.output == "\(name): \(format.name)[3, 64] in q.gguf\n")
      let file = try GGUFFile(directory.path("q.gguf"))
      let entry = try #require(file.entries.first)
      #expect(file.entries.count == 1 && entry.name == name && entry.shape == [3, 64])
      #expect(entry.type.format == format)
      let blocks = try expected(storage, format)
      let data = try directory.bytes(of: "q.gguf")
      // Behind the data stands what fills it up.
      let filled = (blocks.count + 31) / 32 * 32
      #expect(Array(data.suffix(filled).prefix(blocks.count)) == blocks, "\(tensor)")
    }
  }

  /// What was written is what `run` reads.
  @Test func kernelsRunOnWhatWasWritten() throws {
    let directory = try fixture()
    try directory.write(
      "kernel copied(x: f32[rows, 64]) {\n  y = x + 0.0\n} -> y\n", to: "copied.ng")
    let quantized = try quantize(
      "x.npy", "--format", "q5_1", "--output", "q.gguf:x", in: directory)
    #expect(quantized.output == "x: q5_1[3, 64] in q.gguf\n", "\(quantized.errors)")
    let run = try CommandLineFixture.normgen(
      ["run", "copied.ng", "--target", "portable", "--input", "x=q.gguf:x", "--output", "y=y.npy"],
      in: directory)
    #expect(run.status == 0, "\(run.errors)")
    let y = try NpyFile(directory.path("y.npy")).load()
    let x = try TensorFixture.tensor([3, 64], .f32, seed: 5)
    let blocks = try BlockQuantizer(.q5_1).quantize(x)
    #expect(try y.doubles == blocks.decoded().doubles && y.doubles != x.doubles)
  }

  /// Blocks that are read as values are quantized again.
  @Test func blocksBecomeBlocksOfAnotherFormat() throws {
    let directory = try fixture()
    for (tensor, format, output) in [
      ("w.safetensors:gate", "q8_0", "a.gguf"), ("a.gguf", "q4_0", "b.gguf"),
    ] {
      let result = try quantize(
        tensor, "--format", format, "--output", output, in: directory)
      #expect(result.output == "gate: \(format)[3, 64] in \(output)\n", "\(result.errors)")
    }
    let once = try GGUFFile(directory.path("a.gguf")).load()
    let twice = try BlockQuantizer(.q4_0).quantize(once)
    #expect(
      try GGUFFile(directory.path("b.gguf")).load().doubles == twice.decoded().doubles)
  }

  /// Arguments, the status, and a part of the message.
  private static let requests: [(String, Int32, String)] = [
    ("x.npy --format q4_0", 64, "Missing expected argument '--output <file.gguf>'"),
    ("x.npy --output q.gguf", 64, "Missing expected argument '--format <format>'"),
    (
      "x.npy --format Q4_0 --output q.gguf", 64,
      "--format: no block format is named 'Q4_0'; did you mean 'q4_0'"
    ),
    (
      "x.npy --format iq4_nl --output q.gguf", 64,
      "--format: no block format is named 'iq4_nl'; expected one of q4_0, q4_1, q5_0, q5_1, q8_0"
    ),
    (
      "x.npy --format q4_K --output q.gguf --name w", 1,
      "--format: there is no reference quantizer for q4_K; there is one for q4_0, q4_1, q5_0, q5_1, q8_0"
    ),
    (
      "x.txt --format q4_0 --output q.gguf", 64,
      "'x.txt': expected FILE.npy, FILE.safetensors:NAME or FILE.gguf:NAME"
    ),
    (
      "x.npy --format q4_0 --output q.npy", 64,
      "--output: 'q.npy': expected FILE.gguf, which alone holds blocks"
    ),
    (
      "x.npy --format q4_0 --output q.safetensors:w", 64,
      "--output: 'q.safetensors:w': expected FILE.gguf"
    ),
    (
      "x.npy --format q4_0 --output q.gguf:w --name w", 64,
      "--name: can't go with a name in --output"
    ),
    (
      "x.npy --format q4_0 --output q.gguf --storage i8", 64,
      "--storage: expected f32, bf16 or f16, found 'i8'"
    ),
    (
      "x.npy --format q4_0 --output q.gguf", 1,
      "'x.npy': the array in it has no name; give one with --name"
    ),
    (
      "w.safetensors:\(long) --format q4_0 --output q.gguf", 1,
      "expected a name of at most 63 bytes, as ggml reads, found 64"
    ),
    (
      "none.npy --format q4_0 --output q.gguf --name w", 1,
      "'none.npy': can't open: No such file or directory"
    ),
    (
      "w.safetensors:gat --format q4_0 --output q.gguf", 1,
      "'w.safetensors': there is no tensor 'gat'; did you mean 'gate'"
    ),
    (
      "w.safetensors --format q4_0 --output q.gguf", 1,
      "'w.safetensors': expected FILE:NAME, because the file does not hold exactly one tensor"
    ),
    (
      "w.safetensors:short --format q4_0 --output q.gguf", 1,
      "'w.safetensors:short': expected rows of a multiple of 32 elements, as a block of q4_0 has, found 40"
    ),
    (
      "w.safetensors:quants --format q8_0 --output q.gguf", 1,
      "'w.safetensors:quants': expected f32, bf16 or f16 elements to quantize, found i8"
    ),
    (
      "w.safetensors:deep --format q8_0 --output q.gguf", 1,
      "'q.gguf', tensor 'deep': expected at most 4 axes, found 5"
    ),
    (
      "w.safetensors:bad --format q8_0 --output q.gguf", 1,
      "'w.safetensors:bad': element [1, 8]: expected a finite number for a block of q8_0, found nan"
    ),
    (
      "w.safetensors:large --format q4_0 --output q.gguf", 1,
      "'w.safetensors:large': the block from element [1, 0] on: expected a scale of magnitude 65504 at most, "
    ),
    (
      "bf16.npy --format q4_0 --output q.gguf --name w", 1,
      "'bf16.npy': '<u2' elements are read only as bf16, and only where bf16 is asked for"
    ),
    (
      "x.npy --format q4_0 --output q.gguf --name w --storage bf16", 1, "'x.npy': expected bf16"
    ),
    (
      "m.gguf --format q4_0 --output ./m.gguf", 1,
      "'./m.gguf': is the input 'm.gguf', which the output would replace"
    ),
    (
      "m.gguf --format q4_0 --output none/q.gguf", 1,
      "'none/q.gguf': can't create: No such file or directory"
    ),
  ]

  /// A name that ggml does not read.
  private static let long = String(repeating: "n", count: 64)

  @Test(arguments: requests)
  func whatIsWrongIsNamed(_ arguments: String, _ status: Int32, _ message: String) throws {
    let directory = try fixture()
    let before = directory.files
    let old = try directory.bytes(of: "m.gguf")
    let result = try CommandLineFixture.normgen(
      ["quantize"] + arguments.split(separator: " ").map(String.init), in: directory)
    #expect(result.status == status && !result.endedBySignal, "\(result.output)\(result.errors)")
    #expect(result.errors.hasPrefix("error: ") && result.output.isEmpty)
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(directory.files == before)
    #expect(try directory.bytes(of: "m.gguf") == old)
  }

  /// An old output stays as it is where nothing is written, and is replaced whole where something is.
  @Test func oldOutputsStayOrAreReplaced() throws {
    let directory = try fixture()
    try directory.write("old", to: "q.gguf")
    let refused = try quantize(
      "w.safetensors:bad", "--format", "q8_0", "--output", "q.gguf", in: directory)
    #expect(refused.status == 1)
    #expect(try directory.text(of: "q.gguf") == "old")
    let written = try quantize(
      "w.safetensors:gate", "--format", "q8_0", "--output", "q.gguf", in: directory)
    #expect(written.status == 0, "\(written.errors)")
    #expect(try GGUFFile(directory.path("q.gguf")).entries.map(\.name) == ["gate"])
  }
}
