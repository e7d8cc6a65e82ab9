import NormGen
import NormGenCheck
import Testing

/// What led to an element is what the oracle has at its place.
@Suite struct ElementTraceTests {
  private static let texts = [
    """
    kernel layer(x: f32[rows, 6], gain: bf16[6], shift: f32[6]) {
      y = layer_norm(x, gain: gain, shift: shift, epsilon: 1e-5)
    } -> y: bf16
    """,
    """
    kernel heads(x: f32[rows, 12], gain: f32[4]) {
      parts = reshape(x, [rows, 3, 4])
      normed = rms_norm(parts, gain: gain, epsilon: 1e-6)
      y = reshape(normed, [rows, 12])
    } -> y
    """,
    """
    kernel linear(x: f32[rows, 5], w: f32[5, 7], bias: f32[7]) {
      h = matmul(x, w) + bias
      y = columns(h * mean(h), from: 2, count: 4)
    } -> h, y
    """,
    """
    kernel totals(x: f32[rows, 3], d: f32[rows, 3]) {
      scale = mean(x * x)
      product = d * x * scale
      total = sum_rows(product, keep: 1)
    } -> product, total
    """,
  ]

  @Test(arguments: texts)
  func everyStepIsTheOraclesValue(text: String) throws {
    let graph = try #require(try GraphParser.graphs(in: text, file: "trace.ng").first)
    let rows = 4
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 2)
    let values = try GraphInterpreter.allValues(of: graph, rows: rows, inputs: inputs)
    let names = graph.values.map { GraphPrinter(graph).reference(to: $0) }
    for output in graph.outputs {
      for position in 0..<values[output.value.index].count {
        let trace = try ElementTrace(
          of: output, at: position, in: graph, rows: rows, inputs: inputs)
        let shape = graph[output.value].shape
        let last = try #require(trace.steps.last)
        #expect(last.name == names[output.value.index])
        #expect(last.indices == shape.indices(of: position))
        for step in trace.steps {
          let id = try #require(names.firstIndex(of: step.name))
          let extents = graph.nodes[id].shape.extents(rows: rows)
          let place = zip(step.indices, extents).reduce(0) { $0 * $1.1 + $1.0 }
          #expect(step.value == values[id][place], "\(step.name)\(step.indices)")
          if let source = step.source { #expect((0...1).contains(source.share)) }
        }
      }
    }
  }

  /// The names of the values on the way to an element.
  private func names(_ text: String, output: Int, position: Int) throws -> [String] {
    let graph = try #require(try GraphParser.graphs(in: text, file: "trace.ng").first)
    let inputs = try RandomInputs.tensors(for: graph, rows: 2, seed: 2)
    return try ElementTrace(
      of: graph.outputs[output], at: position, in: graph, rows: 2, inputs: inputs
    ).steps.map(\.name)
  }

  @Test func statisticsOfTheRowAreAmongTheSteps() throws {
    let layer = try names(Self.texts[0], output: 0, position: 8)
    #expect(
      layer.sorted() == [
        "centred", "gain", "inv_deviation", "mean_shifted", "mean_square", "mean_x", "shift",
        "shifted", "variance", "x", "y",
      ])
    #expect(layer.first == "x" && layer.last == "y")
    #expect(try names(Self.texts[2], output: 1, position: 5).sorted() == ["bias", "h", "y"])
    // A sum over rows has no element of one row that led to it.
    #expect(try names(Self.texts[3], output: 1, position: 1) == ["total"])
  }

  @Test func theGreatestPartOfABoundIsNamed() throws {
    let graph = try #require(
      try GraphParser.graphs(
        in: """
          kernel sources(x: f32[rows, 1], z: f32[rows, 1]) {
            grown = exp(x)
            added = grown + z
            whole = x + z
          } -> added, whole
          """, file: "sources.ng"
      ).first)
    let inputs = [
      "x": try HostTensor([Float(3)], shape: [1, 1]),
      "z": try HostTensor([Float(0.3)], shape: [1, 1]),
    ]
    func source(_ output: Int) throws -> ElementTrace.Source? {
      try ElementTrace(
        of: graph.outputs[output], at: 0, in: graph, rows: 1, inputs: inputs
      ).steps.last?.source
    }
    let grown = try #require(try source(0))
    #expect(grown.name == "grown" && grown.share > 0.5)
    let own = try #require(try source(1))
    #expect(own.name == nil && own.share == 1)
  }
}
