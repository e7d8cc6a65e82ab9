import NormGen
import Testing

/// Matmuls as the articles show them.
@Suite struct MatmulExampleTests {
  private func judge(_ graph: Graph, rows: Int) throws {
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 9)
    let outputs = try Compiler().compile(graph)(inputs)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
    for (output, expected) in zip(graph.outputs, oracle) {
      let agreement = Agreement(kernel: try #require(outputs[output.name]), oracle: expected)
      #expect(agreement.passes && agreement.vacuous == 0, "\(graph.name): \(agreement)")
    }
  }

  @Test func theKernelsOfTheExampleFileAgreeWithTheOracle() throws {
    let graphs = try GraphParser.graphs(
      in: Repository.text("Examples/matmuls.ng"), file: "matmuls.ng")
    #expect(graphs.map(\.name) == ["gemma_o_proj_sandwich", "idefics_gated_residual", "gru_step"])
    for graph in graphs { try judge(graph, rows: 3) }
  }

  @Test func theKernelsOfAGemmaLayerAgreeWithTheOracle() throws {
    let graphs = try GraphParser.graphs(
      in: Repository.text("Examples/gemma3_feed_forward.ng"), file: "gemma3_feed_forward.ng")
    #expect(graphs.map(\.name) == ["gemma3_feed_forward", "gemma3_feed_forward_int8"])
    for graph in graphs { try judge(graph, rows: 2) }
  }

  @Test func aKernelMayDeclareItsWeightsInBlocks() throws {
    let graph = try blockWeights().graph()
    let weights = graph.buffers.first { $0.name == "w" }
    #expect(weights?.storage == .u8 && weights?.shape.extents == [4096, 16 * 144])
  }

  @Test func aKernelMayMultiplyIntegers() throws {
    for graph in [try integerProducts().graph(), try plainIntegers().graph()] {
      let accumulations = graph.nodes.compactMap { node -> Matmul.Accumulation? in
        if case .matmul(let matmul) = node.op { matmul.accumulation } else { nil }
      }
      #expect(accumulations == [.int8])
      #expect(graph.outputs.map(\.storage) == [.f32])
    }
  }

  @Test func packedWeightsGiveTheSameBits() throws {
    let kernel = try Compiler().compile(linearGELURMSNorm())
    let rows = 5
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: rows, seed: 4)
    let expected = try #require(try kernel(inputs)["y"]).doubles
    func floats(_ name: String) throws -> [Float] {
      try #require(inputs[name]).doubles.map { Float($0) }
    }
    let w = try floats("w")
    let weights = try w.withUnsafeBytes { try packedWeights(of: kernel, $0) }
    #expect(weights.byteCount == 384 * 1536 * 4)
    let (x, bias, gain) = (try floats("x"), try floats("bias"), try floats("gain"))
    var y = [Float](repeating: .nan, count: rows * 1536)
    try x.withUnsafeBytes { x in
      try bias.withUnsafeBytes { bias in
        try gain.withUnsafeBytes { gain in
          try y.withUnsafeMutableBytes { y in
            try boundLayer(
              kernel, x, weights: weights, bias: bias, gain: gain, into: y, rows: rows)()
          }
        }
      }
    }
    #expect(y.map(Double.init) == expected)
    try judge(kernel.lowering.graph, rows: rows)
  }

  @Test func packedEffectiveWeightsGiveTheSameBits() throws {
    let x = Tensor.input("x", [.rows, 40], .f32)
    let w = Tensor.input("w", [40, 24], .f32)
    let effective = (w * .input("scale", [24], .f32)).named("effective")
    let kernel = try Compiler().compile(Kernel("k", x.matmul(effective)))
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: 3, seed: 4)
    let expected = try #require(try kernel(inputs)["y"])
    var y = try HostTensor(zeros: [3, 24], .f32)
    let (rows, weights, scale) = (
      try #require(inputs["x"]), try #require(inputs["w"]), try #require(inputs["scale"])
    )
    try rows.withUnsafeBytes { x in
      try weights.withUnsafeBytes { w in
        try scale.withUnsafeBytes { scale in
          let packed = try effectiveWeights(of: kernel, w, scale: scale)
          try y.withUnsafeMutableBytes { y in
            try kernel(
              rows: 3,
              [
                KernelArgument(x), KernelArgument(packed), KernelArgument(packed),
                KernelArgument(y),
              ])
          }
        }
      }
    }
    #expect(y.doubles == expected.doubles)
  }
}
