import Foundation
import NormGen
@testable import NormGenBenchCommands
import NormGenFiles
import Testing

@Suite struct RunCommandTests {
  private static let layerNorm = "layer_norm_384_f32"

  /// Arguments that read the real tensors, with some of them replaced.
  private func realInputs(_ replaced: [String: String] = [:]) -> [String] {
    ["--input"]
      + ["x", "gain", "shift"].map { name in
        "\(name)=\(replaced[name] ?? "\(TensorFixture.realTensors):\(name)")"
      }
  }

  /// What the tool wrote to `y.npy`.
  private func output(_ directory: TestDirectory) throws -> HostTensor {
    try NpyFile(directory.path("y.npy")).load(as: .f32)
  }

  @Test func realTensorsAgreeWithPyTorch() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(
      ["run", Self.layerNorm] + realInputs() + ["--output", "y=y.npy"], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "y: f32[128, 384] in y.npy\n")
    #expect(result.errors.isEmpty)
    #expect(directory.files == ["y.npy"])

    let file = try SafetensorsFile(TensorFixture.realTensors)
    let x = try file.load("x", as: .f32)
    let gain = try file.load("gain", as: .f32)
    let shift = try file.load("shift", as: .f32)
    let expected = try file.load("expected", as: .f32)
    let graph = try #require(Catalog.standard[Self.layerNorm]).kernel.graph()
    let oracle = try GraphInterpreter.outputs(
      of: graph, rows: 128, inputs: ["x": x, "gain": gain, "shift": shift])[0]
    let pyTorch = PyTorchLayerNorm.elements(
      x: x, gain: gain, shift: shift, epsilon: Double(Float(1e-12)))
    let y = try output(directory)
    #expect(y.shape == expected.shape)
    #expect(Agreement(kernel: y, oracle: oracle).passes)
    func beyond(_ kernel: HostTensor) -> Int {
      (0..<expected.count).count { index in
        abs(kernel[index] - expected[index]) > oracle[index].error + pyTorch[index].bound
      }
    }
    #expect((0..<y.count).allSatisfy { abs(expected[$0] - pyTorch[$0].value) <= pyTorch[$0].bound })
    #expect(beyond(y) == 0)

    let shared = try CommandLineFixture.normgen(
      ["run", Self.layerNorm] + realInputs() + ["--output", "y=y.npy", "--threads", "3"],
      in: directory)
    #expect(shared.status == 0, "\(shared.errors)")
    #expect(try output(directory).elementBytes == y.elementBytes)

    // The bound sees two parameters swapped.
    let swapped = try CommandLineFixture.normgen(
      ["run", Self.layerNorm]
        + realInputs([
          "gain": TensorFixture.realTensors + ":shift",
          "shift": TensorFixture.realTensors + ":gain",
        ]) + ["--output", "y=y.npy"], in: directory)
    #expect(swapped.status == 0)
    #expect(beyond(try output(directory)) > y.count / 2)
  }

  @Test func everyTargetWritesTheSameBits() throws {
    let directory = try TestDirectory()
    var files: [[UInt8]] = []
    for target in ["host", "portable", "neon"] {
      let result = try CommandLineFixture.normgen(
        ["run", Self.layerNorm, "--target", target] + realInputs() + ["--output", "y=y.npy"],
        in: directory)
      #expect(result.status == 0, "\(target): \(result.errors)")
      files.append(try directory.bytes(of: "y.npy"))
    }
    #expect(Set(files).count == 1)
  }

  @Test func outputsKeepTheirStorageType() throws {
    let directory = try TestDirectory()
    try directory.write(
      """
      kernel add_norm(x: bf16[rows, 5], residual: bf16[rows, 5], gain: f16[5]) {
        hidden = x + residual
        normed = rms_norm(hidden, gain: gain, epsilon: 1e-6)
      } -> hidden: bf16, normed: f16

      """, to: "add.ng")
    let x = try TensorFixture.tensor([3, 5], .bf16, seed: 1)
    let residual = try TensorFixture.tensor([3, 5], .bf16, seed: 2)
    let gain = try TensorFixture.tensor([5], .f16, mean: 1, seed: 3)
    try NpyFile.write(x, to: directory.path("x.npy"))
    try SafetensorsFile.write(
      [("r", residual), ("g", gain)], to: directory.path("w.safetensors"))
    func run(_ outputs: [String]) throws -> ProgramResult {
      try CommandLineFixture.normgen(
        [
          "run", "add.ng", "--input", "x=x.npy", "residual=w.safetensors:r",
          "gain=w.safetensors:g", "--output",
        ] + outputs, in: directory)
    }
    let both = try run(["hidden=o.safetensors", "normed=o.safetensors:n"])
    #expect(
      both.output
        == "hidden: bf16[3, 5] in o.safetensors:hidden\nnormed: f16[3, 5] in o.safetensors:n\n",
      "\(both.errors)")
    let one = try run(["hidden=h.npy"])
    #expect(
      one.output
        == "hidden: bf16[3, 5] in h.npy, its bits as uint16 because NumPy has no bf16\n",
      "\(one.errors)")
    #expect(directory.files == ["add.ng", "h.npy", "o.safetensors", "w.safetensors", "x.npy"])

    let file = try SafetensorsFile(directory.path("o.safetensors"))
    let hidden = try file.load("hidden", as: .bf16)
    #expect(try NpyFile(directory.path("h.npy")).typeDescription == "<u2")
    let bits = try NpyFile(directory.path("h.npy")).load(as: .bf16)
    #expect(bits.elementBytes == hidden.elementBytes)
    let graph = try #require(
      try GraphParser.graphs(in: try directory.text(of: "add.ng"), file: "add.ng").first)
    let oracle = try GraphInterpreter.outputs(
      of: graph, rows: 3, inputs: ["x": x, "residual": residual, "gain": gain])
    #expect(Agreement(kernel: hidden, oracle: oracle[0]).passes)
    #expect(Agreement(kernel: try file.load("n", as: .f16), oracle: oracle[1]).passes)
  }

  @Test func aFileWithoutRowsGivesAFileWithoutRows() throws {
    let directory = try TestDirectory()
    try NpyFile.write(HostTensor(zeros: [0, 384], .f32), to: directory.path("x.npy"))
    let result = try CommandLineFixture.normgen(
      ["run", Self.layerNorm] + realInputs(["x": "x.npy"]) + ["--output", "y=y.npy"],
      in: directory)
    #expect(result.output == "y: f32[0, 384] in y.npy\n", "\(result.errors)")
    #expect(try output(directory).shape == [0, 384])
  }

  /// An output that replaced its input could not be made again.
  @Test func noOutputReplacesAnInput() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    let x = try TensorFixture.tensor([2, 8], .f32, seed: 1)
    try NpyFile.write(x, to: directory.path("x.npy"))
    let bytes = try directory.bytes(of: "x.npy")
    try FileManager.default.createSymbolicLink(
      atPath: directory.path("link.npy"), withDestinationPath: "x.npy")
    for (name, message) in [
      ("x.npy", "'x.npy': is an input"), ("link.npy", "'link.npy': is the input 'x.npy'"),
    ] {
      let result = try CommandLineFixture.normgen(
        [
          "run", "two.ng", "--kernel", "second_norm", "--input", "x=x.npy", "--output",
          "y=\(name)",
        ], in: directory)
      #expect(result.status == 1)
      #expect(
        result.errors == "error: \(message), which the output would replace\n")
      #expect(try directory.bytes(of: "x.npy") == bytes)
    }
  }

  @Test func anEditedSourceRunsInPlaceOfTheEmittedOne() throws {
    let directory = try TestDirectory()
    let emitted = try CommandLineFixture.normgen(
      ["emit", Self.layerNorm, "--target", "portable", "-o", "."], in: directory)
    let name = try #require(
      emitted.output.split(separator: "\n").first { $0.hasSuffix(".c") }.map(String.init))
    let text = try directory.text(of: name)
    // The edited kernel leaves the last row out.
    let edited = text.replacing("(rows, buffers[0]", with: "(rows - 1, buffers[0]")
    #expect(edited != text)
    try directory.write(edited, to: "edited.c")
    func bytes(_ source: String) throws -> [UInt8] {
      let result = try CommandLineFixture.normgen(
        ["run", Self.layerNorm, "--target", "portable", "--source", source] + realInputs()
          + ["--output", "y=y.npy"], in: directory)
      #expect(result.status == 0, "\(result.errors)")
      return try output(directory).elementBytes
    }
    let whole = try bytes(name)
    let partial = try bytes("edited.c")
    let row = 384 * 4
    #expect(whole.count == 128 * row && partial.count == whole.count)
    #expect(partial.dropLast(row) == whole.dropLast(row))
    #expect(partial.suffix(row).allSatisfy { $0 == 0 })
    #expect(!whole.suffix(row).allSatisfy { $0 == 0 })
  }
}
