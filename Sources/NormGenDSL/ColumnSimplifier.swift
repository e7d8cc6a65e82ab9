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
  private var nodes: [Node] = []
  private var new: [ValueID: ValueID] = [:]
  private var interned: [Key: ValueID] = [:]
  /// The first column of each part, and the column behind the last, of concatenations.
  private var starts: [ValueID: [Int]] = [:]

  private struct Key: Hashable {
    let op: Op
    let operands: [ValueID]
    let shape: Shape
  }

  /// The graph without such copies, and without what only they used.
  static func simplified(_ graph: Graph) throws(GraphError) -> Graph {
    guard graph.values.contains(where: { copiesAgain($0, in: graph) }) else { return graph }
    var simplifier = ColumnSimplifier(graph: graph)
    for id in graph.values { try simplifier.add(id) }
    return simplifier.result()
  }

  /// Whether a value can be simpler: all rules begin with one of these.
  private static func copiesAgain(_ id: ValueID, in graph: Graph) -> Bool {
    switch graph[id].op {
    case .concatenate: return true
    case .columns:
      if case .columns = graph[graph[id].operands[0]].op { return true }
      return false
    case .input, .constant, .elementwise, .statistic, .convert, .reshape, .leadingPart, .matmul,
      .rowSum, .outerSum:
      return false
    }
  }

  private init(graph: Graph) { self.graph = graph }

  private mutating func add(_ id: ValueID) throws(GraphError) {
    let node = graph[id]
    let operands = node.operands.compactMap { new[$0] }
    switch node.op {
    case .columns(let start, let count):
      new[id] = columns(start, count, of: operands[0], node)
    case .concatenate:
      new[id] = try concatenation(operands, node)
    case .input, .constant, .elementwise, .statistic, .convert, .reshape, .leadingPart, .matmul,
      .rowSum, .outerSum:
      new[id] = insert(node.op, operands, node.shape, node)
    }
  }

  /// - Parameter origin: Lends a new value its name and composition.
  private mutating func insert(
    _ op: Op, _ operands: [ValueID], _ shape: Shape, _ origin: Node
  ) -> ValueID {
    let key = Key(op: op, operands: operands, shape: shape)
    if let known = interned[key] { return known }
    let id = ValueID(nodes.count)
    let isItself = shape == origin.shape
    nodes.append(
      Node(
        op: op, operands: operands, shape: shape, name: isItself ? origin.name : nil,
        scope: origin.scope, location: origin.location))
    interned[key] = id
    return id
  }

  private mutating func columns(
    _ start: Int, _ count: Int, of base: ValueID, _ origin: Node
  ) -> ValueID {
    let node = nodes[base.index]
    if start == 0, count == node.shape.rowExtent { return base }
    if case .columns(let first, _) = node.op {
      return columns(first + start, count, of: node.operands[0], origin)
    }
    if node.op == .concatenate {
      let starts = starts(of: base)
      let place = starts.lastPlace(upTo: start)
      let part = node.operands[place]
      if nodes[part.index].shape.hasRows, start + count <= starts[place + 1] {
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
      sum + (isConcatenation(operand) ? nodes[operand.index].operands.count : 1)
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
    if parts.count == 1, nodes[parts[0].index].shape == origin.shape { return parts[0] }
    return insert(.concatenate, parts, origin.shape, origin)
  }

  private mutating func starts(of concatenation: ValueID) -> [Int] {
    if let known = starts[concatenation] { return known }
    var ends = [0]
    for part in nodes[concatenation.index].operands {
      ends.append(ends[ends.count - 1] + nodes[part.index].shape.rowExtent)
    }
    starts[concatenation] = ends
    return ends
  }

  private func flattened(_ id: ValueID) -> [ValueID] {
    isConcatenation(id) ? nodes[id.index].operands : [id]
  }

  private func isConcatenation(_ id: ValueID) -> Bool { nodes[id.index].op == .concatenate }

  /// Columns of one value that follow each other, as one.
  private mutating func joined(
    _ left: ValueID, _ right: ValueID, _ origin: Node
  ) -> ValueID? {
    let (first, second) = (nodes[left.index], nodes[right.index])
    guard case .columns(let start, let count) = first.op,
      case .columns(let next, let more) = second.op, first.operands == second.operands,
      start + count == next
    else { return nil }
    return columns(start, count + more, of: first.operands[0], origin)
  }

  /// What the outputs need.
  private func result() -> Graph {
    let outputs = graph.outputs.compactMap { output in
      new[output.value].map { Output(name: output.name, value: $0, storage: output.storage) }
    }
    var needed: Set<ValueID> = []
    var stack = outputs.map(\.value)
    while let id = stack.popLast() {
      if needed.insert(id).inserted { stack += nodes[id.index].operands }
    }
    var kept: [ValueID: ValueID] = [:]
    var rest: [Node] = []
    for (index, node) in nodes.enumerated() where needed.contains(ValueID(index)) {
      kept[ValueID(index)] = ValueID(rest.count)
      rest.append(
        Node(
          op: node.op, operands: node.operands.compactMap { kept[$0] }, shape: node.shape,
          name: node.name, scope: node.scope, location: node.location))
    }
    return Graph(
      name: graph.name, nodes: rest,
      inputs: graph.inputs.compactMap { new[$0] }.compactMap { kept[$0] },
      outputs: outputs.compactMap { output in
        kept[output.value].map { Output(name: output.name, value: $0, storage: output.storage) }
      }, scopes: graph.scopes)
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
