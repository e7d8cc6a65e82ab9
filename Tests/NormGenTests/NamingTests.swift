import NormGen
import NormGenFuzz
import NormGenTestSupport
import Testing

/// What a value is called, and whether it is stored, is for readers: bits do not depend on it.
@Suite struct NamingTests {
  /// Rows on which another grouping of terms shows.
  static let texts = [
    "s = sum(x + r)", "s = mean(x - r)", "s = sum(x + r * q)", "s = sum(x - (r - q))",
    "s = sum(x - r * (q - x))", "s = row_max(-(x - r)) + sum((x + r) + q)",
    "s = layer_norm(x + r + q, epsilon: 1e-5)", "s = rms_norm(x + r - q, epsilon: 1e-5)",
  ].enumerated().map { number, text in
    """
    kernel grouped_\(number)(x: f32[rows, 77], r: f32[rows, 77], q: bf16[rows, 77]) {
      \(text)
      y = s * 1.0 + (x + r + q)
    } -> y, s
    """
  }

  static func graphs() throws -> [Graph] {
    try texts.map { try #require(try GraphParser.graphs(in: $0).first) }
      + (0..<25 as Range<UInt64>).map { try RandomGraph(seed: $0, longestRow: 130).kernel.graph() }
  }

  /// The graph with a name for every value that has none.
  private func named(_ graph: Graph) -> Graph {
    let nodes = graph.nodes.enumerated().map { number, node -> Node in
      switch node.op {
      case .input, .constant: return node
      case .elementwise, .statistic, .convert, .reshape, .columns, .concatenate, .leadingPart,
        .matmul, .rowSum, .outerSum, .dequantize:
        return Node(
          op: node.op, operands: node.operands, shape: node.shape,
          name: node.name ?? "named_\(number)", scope: node.scope)
      }
    }
    return Graph(
      name: graph.name, nodes: nodes, inputs: graph.inputs, outputs: graph.outputs,
      scopes: graph.scopes)
  }

  /// The graph with outputs for some of its inner values.
  private func stored(_ graph: Graph, seed: UInt64) -> Graph {
    var random = SeededGenerator(seed: seed)
    let outputs = graph.values.compactMap { id -> Output? in
      guard case .elementwise = graph[id].op, graph[id].shape.hasRows, random.next() % 3 == 0
      else { return nil }
      return Output(name: "stored_\(id.index)", value: id, storage: .f32)
    }
    return Graph(
      name: graph.name, nodes: graph.nodes, inputs: graph.inputs, outputs: graph.outputs + outputs,
      scopes: graph.scopes)
  }

  @Test(arguments: Targets.native)
  func namingAValueChangesNoBit(target: Target) throws {
    try compare(target) { graph, _ in named(graph) }
  }

  @Test(arguments: Targets.native)
  func storingAValueChangesNoBit(target: Target) throws {
    try compare(target) { graph, seed in stored(graph, seed: seed) }
  }

  private func compare(_ target: Target, _ change: (Graph, UInt64) -> Graph) throws {
    let compiler = Compiler(target: target)
    for (number, graph) in try Self.graphs().enumerated() {
      let seed = UInt64(number)
      let inputs = try RandomInputs.tensors(for: graph, rows: 5, seed: seed)
      let expected = try compiler.compile(graph)(inputs)
      let other = try compiler.compile(change(graph, seed))(inputs).filter {
        expected[$0.key] != nil
      }
      let difference = firstDifference(expected, other)
      #expect(difference == nil, "\(difference ?? "")\n\(graph)")
    }
  }

  /// The terms are added to each other before anything else is.
  @Test(arguments: Targets.native)
  func sumOfASumAddsItsTermsFirst(target: Target) throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel sum_of_a_sum(x: f32[rows, 65], r: f32[rows, 65]) {
          s = sum(x + r)
        } -> s
        """)
    var x = [Float](repeating: 0, count: 65)
    var r = x
    (x[0], x[64], r[64]) = (1, 1e9, -1e9)
    let kernel = try Compiler(target: target).compile(try #require(graphs.first))
    let outputs = try kernel([
      "x": try HostTensor(x, shape: [1, 65]), "r": try HostTensor(r, shape: [1, 65]),
    ])
    #expect(outputs["s"]?.doubles == [1])
  }
}
