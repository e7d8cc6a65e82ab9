public import NormGenIR
public import NormGenTensors

/// What led to one element of an output: the inputs' elements at its place, and the values between
/// them and it with their bounds, as the oracle has them.
///
/// A value is shown where the text form gives it a statement. Of what a reduction takes, only values
/// that are one number for each row are shown.
public struct ElementTrace: Sendable {
  /// One value on the way.
  public struct Step: Hashable, Sendable {
    /// The name, or a number such as `%2`.
    public let name: String
    /// The right-hand side in the text form; nil for an input.
    public let definition: String?
    /// The indices along the axes of the value.
    public let indices: [Int]
    /// The oracle's value with its bound.
    public let value: Bounded
    /// What the bound mostly comes from; nil for an exact value and for a reduction.
    public let source: Source?
  }

  /// Where the greatest part of a value's bound comes from.
  public struct Source: Hashable, Sendable {
    /// The value whose bound it is; nil for the roundings of the value's own operations.
    public let name: String?
    /// The part of the bound that would be gone if that were exact.
    public let share: Double
  }

  /// The values in graph order; the last one is the output's before it is stored.
  public let steps: [Step]

  /// Traces an element.
  ///
  /// - Parameters:
  ///   - output: An output of `graph`.
  ///   - position: The row-major position in the output.
  ///   - graph: The kernel's meaning.
  ///   - rows: The number of rows of the call.
  ///   - inputs: The call's inputs.
  /// - Throws: ``InterpreterError``, or `TensorError` when an input has other rows.
  public init(
    of output: Output, at position: Int, in graph: Graph, rows: Int,
    inputs: [String: HostTensor]
  ) throws {
    let extent = graph[output.value].shape.elementsPerRow
    var inputs = inputs
    var (rows, position, firstRow) = (rows, position, 0)
    if !graph.values.contains(where: graph.isOverRows), graph[output.value].shape.hasRows {
      // The other rows are not needed.
      (rows, firstRow, position) = (1, position / extent, position % extent)
      for id in graph.inputs where graph[id].shape.hasRows {
        guard let name = graph[id].inputName, let tensor = inputs[name] else { continue }
        inputs[name] = try tensor.gathering(rows: [firstRow])
      }
    }
    let values = try GraphInterpreter.values(
      of: graph, rows: rows, inputs: inputs, keeping: .allButWeights)
    var path = ElementPath(graph, values)
    path.visit(output.value, at: position, isInReduction: false)
    steps = path.steps(firstRow: firstRow)
  }
}

/// The elements that lead to an element.
private struct ElementPath {
  private let graph: Graph
  private let values: [[Bounded]]
  private let statements: Set<ValueID>
  private let printer: GraphPrinter
  /// The element of each value on the path.
  private var places: [ValueID: Int] = [:]
  private var seenInReductions: Set<ValueID> = []

  init(_ graph: Graph, _ values: [[Bounded]]) {
    self.graph = graph
    self.values = values
    statements = Set(GraphPrinter.statementValues(of: graph))
    printer = GraphPrinter(graph)
  }

  /// An element that leads to the output's.
  private struct Visit {
    let id: ValueID
    let position: Int
    let isInReduction: Bool
  }

  /// Notes a value's element and those that it is computed from.
  mutating func visit(_ id: ValueID, at position: Int, isInReduction: Bool) {
    // Without recursion: chains are long.
    var pending = [Visit(id: id, position: position, isInReduction: isInReduction)]
    while let next = pending.popLast() {
      pending += visit(next.id, at: next.position, next.isInReduction).reversed()
    }
  }

  /// Notes an element.
  ///
  /// - Returns: Those that it is computed from.
  private mutating func visit(
    _ id: ValueID, at position: Int, _ isInReduction: Bool
  ) -> [Visit] {
    let node = graph[id]
    // A reduction takes all elements of a row; one that stands for all can be shown.
    let isShown = !isInReduction || node.shape.rowExtent == 1
    if isShown {
      guard places[id] == nil else { return [] }
      places[id] = position
    } else {
      guard seenInReductions.insert(id).inserted else { return [] }
    }
    switch node.op.traits.family {
    case .statistic:
      let terms = graph.termShape(of: node.operands)
      let groups = node.shape.elementsPerRow
      let (row, group) = (position / groups, position % groups)
      return node.operands.map { operand in
        let view = Broadcast(graph[operand].shape, to: terms)
        return Visit(
          id: operand, position: view.index(row: row, group * terms.rowExtent),
          isInReduction: true)
      }
    // No element of one row stands for all.
    case .product where node.op.traits.isOverRows, .rowSum, .blocks: return []
    case .product:
      let operand = graph[node.operands[0]].shape.elementsPerRow
      return [
        Visit(
          id: node.operands[0], position: position / node.shape.elementsPerRow * operand,
          isInReduction: true)
      ]
    case .input, .constant, .elementwise, .movement:
      return operands(of: id, at: position).map { operand, place in
        Visit(id: operand, position: place, isInReduction: !isShown)
      }
    }
  }

  /// The elements that an element of a value is computed from, where they are few.
  private func operands(of id: ValueID, at position: Int) -> [(ValueID, Int)] {
    if let source = ElementSource(of: id, in: graph) { return source[position].map { [$0] } ?? [] }
    let node = graph[id]
    guard node.op.traits.family == .elementwise else { return [] }
    let count = node.shape.elementsPerRow
    return node.operands.map { operand in
      let view = Broadcast(graph[operand].shape, to: node.shape)
      return (operand, view.index(row: position / count, position % count))
    }
  }

  func steps(firstRow: Int) -> [ElementTrace.Step] {
    places.keys.sorted().compactMap { id in
      let node = graph[id]
      guard statements.contains(id) || node.inputName != nil, let place = places[id],
        values[id.index].indices.contains(place)
      else { return nil }
      var indices = node.shape.indices(of: place)
      if node.shape.hasRows { indices[0] += firstRow }
      return ElementTrace.Step(
        name: printer.reference(to: id),
        definition: node.inputName == nil ? printer.definition(of: id) : nil,
        indices: indices, value: values[id.index][place], source: source(of: id, at: place))
    }
  }

  // MARK: Where a bound comes from

  private func source(of id: ValueID, at position: Int) -> ElementTrace.Source? {
    let total = values[id.index][position].error
    guard total > 0, total.isFinite else { return nil }
    var leaves: Set<ValueID> = []
    _ = evaluate(id, at: position, root: id) { leaf, value in
      leaves.insert(leaf)
      return value
    }
    guard !leaves.isEmpty, !leaves.contains(id) else { return nil }
    func share(exact: Set<ValueID>) -> Double {
      let rest = evaluate(id, at: position, root: id) { leaf, value in
        exact.contains(leaf) ? Bounded(value.value) : value
      }
      return max(0, 1 - rest.error / total)
    }
    var sources = leaves.sorted().map { leaf in
      ElementTrace.Source(
        name: printer.reference(to: leaf), share: share(exact: [leaf]))
    }
    sources.append(ElementTrace.Source(name: nil, share: 1 - share(exact: leaves)))
    return sources.max { $0.share < $1.share }
  }

  /// A value of which some operands are evaluated.
  private struct Evaluation {
    let id: ValueID
    let position: Int
    let operands: [(ValueID, Int)]
    var values: [Bounded] = []
  }

  /// The value of an element from those of statements, inputs and reductions, which `leaf` may
  /// change.
  private func evaluate(
    _ id: ValueID, at position: Int, root: ValueID, _ leaf: (ValueID, Bounded) -> Bounded
  ) -> Bounded {
    func begun(_ id: ValueID, _ position: Int) -> Evaluation {
      let isLeaf = id != root && statements.contains(id)
      return Evaluation(
        id: id, position: position, operands: isLeaf ? [] : operands(of: id, at: position))
    }
    // Without recursion: chains are long.
    var pending = [begun(id, position)]
    while let next = pending.last {
      if next.values.count < next.operands.count {
        let (operand, place) = next.operands[next.values.count]
        pending.append(begun(operand, place))
        continue
      }
      pending.removeLast()
      let value = evaluate(next, root: root, leaf)
      if pending.isEmpty { return value }
      pending[pending.count - 1].values.append(value)
    }
    return values[id.index][position]
  }

  private func evaluate(
    _ evaluation: Evaluation, root: ValueID, _ leaf: (ValueID, Bounded) -> Bounded
  ) -> Bounded {
    let id = evaluation.id
    let known = values[id.index][evaluation.position]
    if id != root, statements.contains(id) { return leaf(id, known) }
    switch graph[id].op {
    case .input, .dequantize, .statistic, .matmul, .rowSum, .outerSum: return leaf(id, known)
    case .constant: return known
    case .elementwise(let op):
      return GraphInterpreter.apply(op, evaluation.values, isSquare: graph[id].isSquare)
    case .convert(let type): return evaluation.values[0].rounded(to: type)
    case .reshape, .columns, .concatenate: return evaluation.values[0]
    case .leadingPart: return evaluation.values.first ?? Bounded(0)
    }
  }
}
