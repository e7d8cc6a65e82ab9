import NormGenIR

/// Leaves out copies of columns that undo or repeat each other; no bit changes.
///
/// - Columns of columns are columns of the value.
/// - Columns of a concatenation that lie in one part are columns of the part.
/// - Concatenated parts that are concatenations are taken apart; neighbouring columns of one value are
///   one part; all columns of a value, and one part alone, are the value.
struct ColumnSimplifier {
  /// The most parts of a concatenation: as many as the planner takes statements.
  static let mostParts = 8192

  private let graph: Graph
  private var builder: GraphBuilder
  /// The first column of each part, and the column behind the last, of concatenations.
  private var starts: [ValueID: [Int]] = [:]

  /// The graph without such copies, and without what only they used.
  static func simplified(_ graph: Graph) throws(GraphError) -> Graph {
    guard graph.values.contains(where: { copiesAgain($0, in: graph) }) else { return graph }
    var simplifier = ColumnSimplifier(graph: graph)
    for id in graph.values { try simplifier.add(id) }
    return simplifier.builder.graph().withoutUnused()
  }

  /// Whether a value can be simpler: all rules begin with one of these.
  private static func copiesAgain(_ id: ValueID, in graph: Graph) -> Bool {
    if case .columns = graph[id].op, case .columns = graph[graph[id].operands[0]].op { return true }
    return graph[id].op == .concatenate
  }

  private init(graph: Graph) {
    self.graph = graph
    builder = GraphBuilder(rewriting: graph, interning: true)
  }

  private mutating func add(_ id: ValueID) throws(GraphError) {
    let node = graph[id]
    let operands = builder.operands(of: id)
    builder[id] =
      if case .columns(let start, let count) = node.op {
        columns(start, count, of: operands[0], node)
      } else if node.op == .concatenate {
        try concatenation(operands, node)
      } else {
        insert(node.op, operands, node.shape, node)
      }
  }

  /// - Parameter origin: Lends a new value its name and composition.
  private mutating func insert(
    _ op: Op, _ operands: [ValueID], _ shape: Shape, _ origin: Node
  ) -> ValueID {
    builder.add(
      op, operands, shape: shape, name: shape == origin.shape ? origin.name : nil,
      scope: origin.scope, location: origin.location)
  }

  private mutating func columns(
    _ start: Int, _ count: Int, of base: ValueID, _ origin: Node
  ) -> ValueID {
    let node = builder.node(base)
    if start == 0, count == node.shape.rowExtent { return base }
    if case .columns(let first, _) = node.op {
      return columns(first + start, count, of: node.operands[0], origin)
    }
    if node.op == .concatenate {
      let starts = starts(of: base)
      let place = starts.lastPlace(upTo: start)
      let part = node.operands[place]
      if builder.node(part).shape.hasRows, start + count <= starts[place + 1] {
        return columns(start - starts[place], count, of: part, origin)
      }
    }
    let shape = Shape(hasRows: node.shape.hasRows, extents: node.shape.outerExtents + [count])
    return insert(.columns(start: start, count: count), [base], shape, origin)
  }

  private mutating func concatenation(
    _ operands: [ValueID], _ origin: Node
  ) throws(GraphError) -> ValueID {
    let count = operands.reduce(0) { sum, operand in
      sum + (isConcatenation(operand) ? builder.node(operand).operands.count : 1)
    }
    guard count <= Self.mostParts else {
      throw GraphError(.tooManyParts(count, limit: Self.mostParts), at: origin.location)
    }
    var parts: [ValueID] = []
    for operand in operands.flatMap(flattened) {
      if let last = parts.last, let joint = joined(last, operand, origin) {
        parts[parts.count - 1] = joint
      } else {
        parts.append(operand)
      }
    }
    if parts.count == 1, builder.node(parts[0]).shape == origin.shape { return parts[0] }
    return insert(.concatenate, parts, origin.shape, origin)
  }

  private mutating func starts(of concatenation: ValueID) -> [Int] {
    if let known = starts[concatenation] { return known }
    var ends = [0]
    for part in builder.node(concatenation).operands {
      ends.append(ends[ends.count - 1] + builder.node(part).shape.rowExtent)
    }
    starts[concatenation] = ends
    return ends
  }

  private func flattened(_ id: ValueID) -> [ValueID] {
    isConcatenation(id) ? builder.node(id).operands : [id]
  }

  private func isConcatenation(_ id: ValueID) -> Bool { builder.node(id).op == .concatenate }

  /// Columns of one value that follow each other, as one.
  private mutating func joined(
    _ left: ValueID, _ right: ValueID, _ origin: Node
  ) -> ValueID? {
    let (first, second) = (builder.node(left), builder.node(right))
    guard case .columns(let start, let count) = first.op,
      case .columns(let next, let more) = second.op, first.operands == second.operands,
      start + count == next
    else { return nil }
    return columns(start, count + more, of: first.operands[0], origin)
  }
}

extension [Int] {
  /// The index of the last element up to `limit` of an increasing array that begins with 0; never
  /// the array's last.
  fileprivate func lastPlace(upTo limit: Int) -> Int {
    var (low, high) = (0, count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if self[middle] <= limit { low = middle } else { high = middle }
    }
    return low
  }
}
