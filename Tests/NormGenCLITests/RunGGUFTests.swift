import Foundation
import NormGen
import NormGenFiles
import Testing

/// `run` and `check` on weights in blocks, from a small `.gguf` file that is written here.
@Suite struct RunGGUFTests {
  private static let kernel = """
    kernel projection(x: f32[rows, 64], w: f32[3, 64]) {
      y = matmul(x, w, layout: out_in)
    } -> y

    """

  /// The integers of a row of weights.
  private static func quant(_ row: Int, _ column: Int) -> Int { (5 * row + 3 * column) % 16 - 8 }

  /// x of small integers, and weights of 0.5 and −0.25 times small integers in q4_0 blocks.
  private func fixture() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write(Self.kernel, to: "projection.ng")
    try NpyFile.write(
      HostTensor((0..<128).map { Double($0 % 7 - 3) }, shape: [2, 64], .f32),
      to: directory.path("x.npy"))
    var blocks: [UInt8] = []
    for row in 0..<3 {
      for (block, scale) in [UInt8(0x38), 0xb4].enumerated() {
        // Half-precision 0.5 and −0.25 have zeros in their low byte.
        blocks += [0, scale]
        for lane in 0..<16 {
          let low = Self.quant(row, 32 * block + lane) + 8
          let high = Self.quant(row, 32 * block + lane + 16) + 8
          blocks.append(UInt8(low | high << 4))
        }
      }
    }
    try directory.write(
      TensorFixture.gguf([
        ("blk.0.attn_q.weight", [64, 3], 2, blocks),
        ("blk.0.attn_norm.weight", [1], 0, [0, 0, 0x80, 0x3f]),
        ("blk.1.attn_q.weight", [64, 3], 2, blocks),
        ("rope", [2], 28, [UInt8](repeating: 0, count: 16)),
      ]), to: "model.gguf")
    return directory
  }

  private func run(
    _ weights: String, output: String = "y=y.npy", in directory: TestDirectory
  ) throws -> ProgramResult {
    try CommandLineFixture.normgen(
      ["run", "projection.ng", "--input", "x=x.npy", "w=\(weights)", "--output", output],
      in: directory)
  }

  @Test func weightsInBlocksAreTheirFloat32Values() throws {
    let directory = try fixture()
    let result = try run("model.gguf:blk.0.attn_q.weight", in: directory)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(result.output == "y: f32[2, 3] in y.npy\n")
    let y = try NpyFile(directory.path("y.npy")).load(as: .f32)
    // Quarters of integers: every order of the sum is exact.
    let expected = (0..<2).flatMap { row in
      (0..<3).map { output in
        (0..<64).reduce(0.0) { sum, column in
          let scale = column < 32 ? 0.5 : -0.25
          return sum + Double((64 * row + column) % 7 - 3) * scale
            * Double(Self.quant(output, column))
        }
      }
    }
    #expect(y.shape == [2, 3] && y.doubles == expected)
  }

  @Test func theyAreChecked() throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(
      [
        "check", "projection.ng", "--target", "host", "portable", "--input", "x=x.npy",
        "w=model.gguf:blk.1.attn_q.weight",
      ], in: directory)
    #expect(result.status == 0 && result.output.hasSuffix("pass\n"), "\(result.errors)")
  }

  /// The blocks themselves: the same bits, from memory that the kernel reads as the file has it.
  @Test func aParameterInBlocksTakesThemAsTheyAre() throws {
    let directory = try fixture()
    let values = try run("model.gguf:blk.0.attn_q.weight", in: directory)
    #expect(values.status == 0)
    let expected = try NpyFile(directory.path("y.npy")).load(as: .f32)
    try directory.write(
      Self.kernel.replacingOccurrences(of: "w: f32", with: "w: q4_0"), to: "projection.ng")
    let result = try run(
      "model.gguf:blk.0.attn_q.weight", output: "y=z.npy", in: directory)
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    let y = try NpyFile(directory.path("z.npy")).load(as: .f32)
    #expect(y.shape == expected.shape && y.doubles == expected.doubles)
    for (weights, message) in [
      ("model.gguf:rope", "tensor 'rope': expected q4_0 blocks, found 'f64'"),
      (
        "model.gguf:blk.0.attn_norm.weight",
        "tensor 'blk.0.attn_norm.weight': expected q4_0 blocks, found 'f32'; blocks are never converted "
          + "while they are read"
      ),
      ("x.npy", "'x.npy': expected u8 (.npy '|u1'"),
    ] {
      let refused = try run(weights, output: "y=none.npy", in: directory)
      #expect(refused.status == 1 && refused.errors.contains(message), "\(refused.errors)")
    }
  }

  @Test func whatIsWrongIsNamed() throws {
    let directory = try fixture()
    func expect(
      _ message: String, _ weights: String, output: String = "y=y.npy",
      location: Testing.SourceLocation = #_sourceLocation
    ) throws {
      let before = directory.files
      let result = try run(weights, output: output, in: directory)
      #expect(
        result.status == 1 && result.output.isEmpty && result.errors.hasPrefix("error: "),
        sourceLocation: location)
      #expect(result.errors.contains(message), "\(result.errors)", sourceLocation: location)
      #expect(directory.files == before, sourceLocation: location)
    }
    try expect(
      "input 'w': 'model.gguf': there is no tensor 'blk.0.attn_q.weigth'; did you mean "
        + "'blk.0.attn_q.weight' or 'blk.1.attn_q.weight'? it holds 'blk.0.attn_q.weight', "
        + "'blk.0.attn_norm.weight', 'blk.1.attn_q.weight', 'rope'",
      "model.gguf:blk.0.attn_q.weigth")
    try expect(
      "input 'w': 'model.gguf': expected FILE:NAME, because the file does not hold exactly one tensor",
      "model.gguf")
    try expect(
      "input 'w': 'model.gguf', tensor 'rope': expected f32 (.npy '<f4', .safetensors 'F32', .gguf 'f32' "
        + "and blocks), found 'f64'", "model.gguf:rope")
    try expect(
      "input 'w': 'model.gguf:blk.0.attn_norm.weight': expected shape [3, 64], found [1]",
      "model.gguf:blk.0.attn_norm.weight")
    try expect(
      "'y.gguf:y': expected FILE.npy or FILE.safetensors:NAME to write; only blocks are written to "
        + ".gguf files",
      "model.gguf:blk.0.attn_q.weight", output: "y=y.gguf:y")
    // Blocks have values in Float32 alone.
    try directory.write(
      Self.kernel.replacingOccurrences(of: "w: f32", with: "w: bf16"), to: "projection.ng")
    try expect(
      "tensor 'blk.0.attn_q.weight': expected bf16 (.npy '<u2' or 'V2', .safetensors 'BF16', .gguf "
        + "'bf16'), found 'q4_0'", "model.gguf:blk.0.attn_q.weight")
  }
}
