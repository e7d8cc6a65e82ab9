import NormGen
import Testing

/// The verifier of graphs refuses every broken rule of graphs made without the DSL.
@Suite struct VerifierTests {
  private let row = Shape(hasRows: true, extents: [4])

  private func graph(_ nodes: [Node], inputs: [Int] = [0], output: Int? = nil) -> Graph {
    Graph(
      name: "k", nodes: nodes, inputs: inputs.map { ValueID($0) },
      outputs: [Output(name: "y", value: ValueID(output ?? nodes.count - 1), storage: .f32)],
      scopes: [])
  }

  private func node(_ op: Op, _ operands: [Int], _ shape: Shape? = nil, _ name: String? = nil)
    -> Node
  {
    Node(op: op, operands: operands.map { ValueID($0) }, shape: shape ?? row, name: name)
  }

  private var input: Node { node(.input(name: "x", storage: .f32), []) }

  @Test func rightGraphIsAccepted() throws {
    try GraphVerifier.verify(graph([input, node(.elementwise(.negate), [0])]))
  }

  @Test func brokenRulesAreRefused() {
    let one = Shape(hasRows: true, extents: [1])
    let cases: [(String, Graph)] = [
      ("before it exists", graph([input, node(.elementwise(.negate), [1])])),
      ("before it exists", graph([input, node(.elementwise(.add), [0, -1])])),
      ("has 1 operands", graph([input, node(.elementwise(.add), [0])])),
      ("has 2 operands", graph([input, node(.statistic(Statistic(.max)), [0, 0], one)])),
      ("has 3 operands", graph([input, node(.statistic(Statistic(.sum)), [0, 0, 0], one)])),
      ("has 1 operands", graph([input, node(.constant(1), [0], .scalar)], output: 0)),
      ("instead of [rows, 1]", graph([input, node(.statistic(Statistic(.sum)), [0])])),
      ("instead of [rows, 4]", graph([input, node(.elementwise(.negate), [0], one)])),
      (
        "repeats an earlier value",
        graph([
          input, node(.elementwise(.negate), [0]), node(.elementwise(.negate), [0]),
          node(.elementwise(.add), [1, 2]),
        ])
      ),
      (
        "must not be NaN",
        graph([input, node(.constant(.nan), [], .scalar), node(.elementwise(.add), [0, 1])])
      ),
      (
        "two values are named 'v'",
        graph([
          input, node(.elementwise(.negate), [0], nil, "v"),
          node(.elementwise(.absolute), [1], nil, "v"),
        ])
      ),
      ("is listed as an input", graph([input, node(.elementwise(.negate), [0])], inputs: [0, 1])),
      ("is not a parameter", graph([input, node(.elementwise(.negate), [0])], inputs: [])),
      (
        "no output depends",
        graph(
          [
            input, node(.input(name: "z", storage: .f32), []), node(.elementwise(.negate), [0]),
          ], inputs: [0, 1])
      ),
      (
        "the window",
        graph([input, node(.statistic(Statistic(.sum, over: .leadingCount(5))), [0], one)])
      ),
    ]
    for (message, graph) in cases {
      let error = #expect(throws: GraphError.self, "\(message)") { try GraphVerifier.verify(graph) }
      #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }
  }

  /// Identifiers that index outside a graph are refused, not followed.
  @Test func danglingIdentifiersAreRefused() {
    #expect(throws: GraphError.self) {
      try GraphVerifier.verify(graph([input, node(.elementwise(.negate), [0])], output: 7))
    }
    #expect(throws: GraphError.self) {
      try GraphVerifier.verify(graph([input, node(.elementwise(.negate), [0])], inputs: [0, 9]))
    }
    let scoped = Node(
      op: .elementwise(.negate), operands: [ValueID(0)], shape: row, scope: ScopeID(3))
    #expect(throws: GraphError.self) { try GraphVerifier.verify(graph([input, scoped])) }
  }
}
