public import NormGenIR
public import NormGenTensors

/// What both interpreters say of one call: the bits that a kernel must write, and the oracle's values
/// with their bounds.
public struct ReferenceOutputs: Sendable {
  /// The columns that are judged.
  public let columns: JudgedColumns
  private let graph: Graph
  /// What the exact interpreter says, an output after the other.
  public let exact: [HostTensor]
  /// What the oracle says of each output's elements.
  public let bounded: [[Bounded]]

  /// Evaluates a graph.
  ///
  /// - Parameters:
  ///   - graph: The kernel's meaning.
  ///   - rows: The number of rows.
  ///   - inputs: A tensor for every input.
  ///   - columns: The columns to judge, by default ``JudgedColumns/init(of:rows:)``.
  /// - Throws: ``InterpreterError``; `TensorError` where an output does not fit memory.
  public init(
    of graph: Graph, rows: Int, inputs: [String: HostTensor], columns: JudgedColumns? = nil
  ) throws {
    let columns = columns ?? JudgedColumns(of: graph, rows: rows)
    self.graph = graph
    self.columns = columns
    exact = try ExactInterpreter.outputs(of: graph, rows: rows, inputs: inputs, columns: columns)
    bounded = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs, columns: columns)
  }

  /// How a kernel's output compares.
  ///
  /// - Parameters:
  ///   - tensor: What the kernel wrote.
  ///   - output: The index of the output.
  public func judgement(of tensor: HostTensor, output: Int) -> Judgement {
    let id = graph.outputs[output].value
    let extent = graph[id].shape.rowExtent
    func isJudged(_ position: Int) -> Bool {
      columns.contains(id, position: position, extent: extent)
    }
    return Judgement(
      elements: tensor.count,
      exact: ExactAgreement(kernel: tensor, exact: exact[output], isJudged: isJudged),
      bound: Agreement(kernel: tensor, oracle: bounded[output], isJudged: isJudged))
  }
}

/// An output of one call by both interpreters.
public struct Judgement: Hashable, Sendable {
  /// The elements of the output.
  public let elements: Int
  /// The bits by the exact interpreter.
  public let exact: ExactAgreement
  /// The values by the oracle's bounds.
  public let bound: Agreement

  /// Whether all bits are right and all values lie within their bounds.
  public var passes: Bool { exact.passes && bound.passes }

  /// The elements that say something of the kernel: numbers with a bound.
  ///
  /// An output that is nothing but NaN, or whose bounds are all infinite, says nothing: a mistake
  /// has no way to show.
  public var telling: Int { bound.telling }
}
