public import NormGen

/// Two kernels on the same inputs, compared bit by bit and by the oracle's bounds.
public struct KernelComparison: Sendable {
  /// One output of one call.
  public struct Output: Sendable {
    /// How the bits differ.
    public let difference: OutputDifference
    /// The first kernel's values by its own graph.
    public let first: Judgement
    /// The second kernel's values by its own graph.
    public let second: Judgement
    /// The second kernel's values by the first one's bound.
    public let secondByFirst: Agreement
    /// The first kernel's values by the second one's bound.
    public let firstBySecond: Agreement
  }

  /// One call of both kernels.
  public struct Call: Sendable {
    /// The number of rows.
    public let rows: Int
    /// One for each output, in the first kernel's order.
    public let outputs: [Output]
  }

  /// The calls in the order given.
  public private(set) var calls: [Call] = []
  /// Whether both kernels have the same graph, whatever they are called.
  public let haveSameGraph: Bool

  /// Whether no bit differs.
  public var haveSameBits: Bool {
    calls.allSatisfy { $0.outputs.allSatisfy { $0.difference.differing == 0 } }
  }

  /// Whether both kernels have the bits that their graphs fix.
  public var haveExactBits: Bool {
    calls.allSatisfy { $0.outputs.allSatisfy { $0.first.exact.passes && $0.second.exact.passes } }
  }

  /// Whether the values of both kernels lie within the first one's bounds.
  public var liesWithinFirstBound: Bool {
    calls.allSatisfy { $0.outputs.allSatisfy { $0.first.bound.passes && $0.secondByFirst.passes } }
  }

  /// The outputs that no call says anything of: nothing but NaN, or without a bound.
  public var unjudged: [String] {
    guard let outputs = calls.first?.outputs else { return [] }
    return outputs.indices.filter { index in
      calls.allSatisfy { $0.outputs[index].first.telling == 0 }
    }.map { outputs[$0].difference.output }
  }

  /// Runs and compares two kernels.
  ///
  /// - Parameters:
  ///   - first: A kernel.
  ///   - second: A kernel whose parameters have the same names, types and shapes.
  ///   - inputs: The inputs of each call.
  ///   - threads: The most threads that share a call.
  ///   - progress: Told what begins.
  /// - Throws: ``ComparisonError``, `CallError`, `InterpreterError` and what ``TargetMachine`` throws.
  public init(
    _ first: ComparedKernel, _ second: ComparedKernel, inputs: [TargetComparison.Call],
    threads: Int = 1,
    progress: (String) -> Void = { _ in }
  ) throws {
    try KernelSignature.check(first.graph, second.graph)
    haveSameGraph = first.graph.isSame(as: second.graph)
    var results: [[[String: HostTensor]]] = []
    for (name, kernel) in [("A", first), ("B", second)] {
      progress("\(name): \(kernel.graph.name) on \(kernel.lowering.target)")
      results.append(try kernel.outputs(of: inputs, threads: threads))
    }
    for (index, call) in inputs.enumerated() {
      progress("interpreters of \(call.rows) rows")
      let values = try Values(first.graph, call, results[0][index], results[1][index])
      let others =
        haveSameGraph
        ? values : try Values(second.graph, call, results[0][index], results[1][index])
      calls.append(Call(rows: call.rows, outputs: try values.outputs(others)))
    }
  }

  /// What both kernels wrote in a call, and what one graph's oracle says.
  private struct Values {
    private let graph: Graph
    private let first: [String: HostTensor]
    private let second: [String: HostTensor]
    private let reference: ReferenceOutputs

    init(
      _ graph: Graph, _ call: TargetComparison.Call, _ first: [String: HostTensor],
      _ second: [String: HostTensor]
    ) throws {
      self.graph = graph
      self.first = first
      self.second = second
      reference = try ReferenceOutputs(of: graph, rows: call.rows, inputs: call.inputs)
    }

    /// The output of a name as this graph's interpreters judge it.
    private func judgement(_ name: String, of tensor: HostTensor) throws(CallError) -> Judgement {
      guard let index = graph.outputs.firstIndex(where: { $0.name == name }) else {
        throw CallError.missing(parameter: name)
      }
      return reference.judgement(of: tensor, output: index)
    }

    func outputs(_ others: Values) throws(CallError) -> [Output] {
      try graph.outputs.map { output throws(CallError) in
        let name = output.name
        guard let left = first[name], let right = second[name] else {
          throw CallError.missing(parameter: name)
        }
        return Output(
          difference: OutputDifference(output: name, left, right),
          first: try judgement(name, of: left),
          second: try others.judgement(name, of: right),
          secondByFirst: try judgement(name, of: right).bound,
          firstBySecond: try others.judgement(name, of: left).bound)
      }
    }
  }
}

extension Graph {
  /// Whether the graphs are equal but for the kernels' names.
  func isSame(as other: Graph) -> Bool {
    self
      == Graph(
        name: name, nodes: other.nodes, inputs: other.inputs, outputs: other.outputs,
        scopes: other.scopes)
  }
}
