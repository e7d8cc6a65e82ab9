import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// The bits of kernels' outputs as they were recorded: every processor, LLVM version and target gives
/// the same.
///
/// Equality between the targets of one machine is the work of other suites; here it is equality
/// between machines. The inputs come from whole numbers, so that no C library has a part in them.
@Suite struct DigestTests {
  static let rows = [1, 3, 17]

  /// The catalog's kernels with less than a million weights, and kernels of what it lacks.
  static func graphs() throws -> [Graph] {
    let catalog = try Catalog.standard.entries.map { try $0.kernel.graph() }.filter { graph in
      graph.inputs.allSatisfy { graph[$0].shape.elementsPerRow < 1 << 20 }
    }
    let types = Specimen.Types.all
    let specimens = try [
      "partial_layer", "softmax", "bias_tanh_norm", "bias_sigmoid_norm", "quantized_heads",
      "batch_channels", "groups", "stored_as_integers",
    ].enumerated().map { index, name in
      try #require(Specimen.named(name))
        .kernel(129, types[index % types.count], epsilon: 1e-5).graph()
    }
    let products = try ["normed_mlp", "gru"].enumerated().map { index, name in
      try #require(MatmulSpecimen.named(name)).graph(
        MatmulSpecimen.Shape(
          terms: 70, columns: 45, types: types[index], layout: index == 0 ? .outIn : .inOut))
    }
    let sums = try ["rms_gradient", "linear_gradient", "outer"].enumerated().map { index, name in
      try #require(RowSumTests.subjects.first { $0.name == name }).graph(37, types[index])
    }
    let x = Tensor.input("x", [.rows, 131], .bf16)
    let w = Tensor.input("w", [131, 35], .bf16)
    let dot = try Kernel("bf16_dot_131_35", x.matmul(w, accumulate: .bf16Dot).log()).graph()
    return catalog + specimens + products + sums + [dot]
  }

  /// Inputs from the generator's whole numbers: rows of −4 to 4, parameters of 1/2 to 3/2, weights
  /// of −1/4 to 1/4; here and there a zero of either sign and a denormal.
  static func inputs(_ graph: Graph, rows: Int) throws -> [String: HostTensor] {
    var generator = SeededGenerator(seed: 1_910_07467)
    var tensors: [String: HostTensor] = [:]
    let weights = Set(
      graph.nodes.compactMap { node -> ValueID? in
        guard case .matmul = node.op else { return nil }
        return node.operands[1]
      })
    for id in graph.inputs {
      guard case .input(let name, let storage) = graph[id].op else { continue }
      let shape = graph[id].shape.extents(rows: rows)
      let hasRows = graph[id].shape.hasRows
      let isWeights = weights.contains(id)
      let values = (0..<(try HostTensor.count(of: shape))).map { _ -> Double in
        let bits = generator.next()
        if hasRows, bits % 61 == 0 { return [0, -0.0, 0x1p-133, -0x1p-140][Int(bits >> 8 & 3)] }
        let number = Double(Int64(bits >> 40)) * 0x1p-23 - 1
        if storage == .i8 { return (number * 100).rounded() }
        if storage == .u8 { return (128 + number * 100).rounded() }
        return hasRows ? number * 4 : isWeights ? number / 4 : 1 + number / 2
      }
      tensors[name] = try HostTensor(values, shape: shape, storage)
    }
    return tensors
  }

  /// FNV-1a over the elements' bits; all NaNs are one.
  static func digest(_ outputs: [[String: HostTensor]]) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for call in outputs {
      for name in call.keys.sorted() {
        for bits in call[name]?.bits ?? [] {
          for shift in stride(from: 0, to: 32, by: 8) {
            hash = (hash ^ UInt64(bits >> UInt32(shift) & 0xff)) &* 0x100_0000_01b3
          }
        }
      }
    }
    return hash
  }

  static func line(_ graph: Graph, _ target: Target, source: String? = nil) throws -> String {
    let compiler = Compiler(target: target)
    let kernel = try compiler.compile(compiler.lower(graph), source: source)
    let digest = digest(try rows.map { try kernel(inputs(graph, rows: $0)) })
    let digits = String(digest, radix: 16)
    return "\(graph.name) \(String(repeating: "0", count: 16 - digits.count))\(digits)\n"
  }

  @Test(arguments: Targets.native)
  func bitsAreThoseRecorded(target: Target) throws {
    let lines = try Self.graphs().map { try Self.line($0, target) }
    try Goldens().compare(lines.joined(), "digests.txt")
  }

  @Test func digestsSeeOneBit() throws {
    let tensor = try HostTensor([1, 2, 3], shape: [3], .f32)
    let other = try HostTensor([1, 2, Double(Float(3).nextUp)], shape: [3], .f32)
    #expect(Self.digest([["y": tensor]]) != Self.digest([["y": other]]))
    let x = Tensor.input("x", [.rows, 33], .f32)
    let graph = try Kernel("norm", x.rmsNorm() * 0.9).graph()
    let next = try Kernel("norm", x.rmsNorm() * .constant(Float(0.9).nextUp)).graph()
    #expect(try Self.line(graph, .portable) == Self.line(graph, .portable))
    #expect(try Self.line(graph, .portable) != Self.line(next, .portable))
  }
}
