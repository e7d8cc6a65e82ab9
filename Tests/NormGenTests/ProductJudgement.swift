import NormGen
import NormGenCheck
import Testing

/// Demands of every output the exact interpreter's bits and the derived bound.
func expectExact(
  _ outputs: [String: HostTensor], of graph: Graph, rows: Int, _ inputs: [String: HostTensor],
  _ detail: String, sourceLocation: Testing.SourceLocation = #_sourceLocation
) throws {
  let reference = try ReferenceOutputs(
    of: graph, rows: rows, inputs: inputs, columns: .all(of: graph))
  for (number, output) in graph.outputs.enumerated() {
    let found = try #require(outputs[output.name], sourceLocation: sourceLocation)
    let judgement = reference.judgement(of: found, output: number)
    #expect(
      judgement.exact.passes, "\(graph.name), \(rows) rows, \(detail): \(judgement.exact)",
      sourceLocation: sourceLocation)
    #expect(
      judgement.bound.passes, "\(graph.name), \(rows) rows, \(detail)",
      sourceLocation: sourceLocation)
  }
}

extension MutantCatches {
  /// Judges the C of a kernel with an edit, which must be possible, if its target runs here.
  mutating func add(
    kernel: String, editOf right: Lowering, rows: Int, _ pattern: String, with replacement: String
  ) throws {
    let source = right.source.source.replacing(pattern, with: replacement)
    #expect(source != right.source.source, "\(kernel): '\(pattern)' is not there")
    guard HostCPU.current.supports(right.target) else { return }
    let inputs = try RandomInputs.tensors(for: right.graph, rows: rows, seed: 13)
    func outputs(_ lowering: Lowering) throws -> [String: HostTensor] {
      try LaidOutCall(lowering: lowering, rows: rows, inputs: inputs).outputs(at: .beginning)
    }
    try add(
      kernel: kernel, KernelCall(right, rows: rows, inputs: inputs), right: outputs(right),
      wrong: outputs(right.replacingSource(with: source)), right.target.name)
  }
}
