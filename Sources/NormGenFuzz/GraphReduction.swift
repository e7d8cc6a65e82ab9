import NormGen

/// One way to make a kernel smaller; it need not mean the same afterwards.
struct GraphReduction: Sendable {
  /// The outputs that stay, by index; nil for all.
  var outputs: [Int]?
  /// Values that others take the place of.
  var replacements: [ValueID: ValueID] = [:]
  /// A value that becomes an input.
  var cut: ValueID?
  /// Extents that become others.
  var extents: [Int: Int] = [:]
  /// Statistics that look at the whole row.
  var wholeRow: Set<ValueID> = []
  /// Inputs and outputs that are stored as f32.
  var plainInputs: Set<ValueID> = []
  var plainOutputs: Set<Int> = []
  /// Whether all names of values and compositions go.
  var dropsNames = false

  /// The smaller kernel; nil if it has no meaning.
  func applied(to graph: Graph) -> Graph? {
    var rebuilt = Rebuilt(graph: graph, reduction: self)
    return try? rebuilt.result()
  }

  /// The value that stands in for another one.
  func target(of id: ValueID) -> ValueID {
    var id = id
    // A replacement precedes what it replaces, so that this ends.
    while let other = replacements[id], other < id { id = other }
    return id
  }
}

/// Builds the smaller kernel value by value.
private struct Rebuilt {
  let graph: Graph
  let reduction: GraphReduction
  private var builder: GraphBuilder

  init(graph: Graph, reduction: GraphReduction) {
    self.graph = graph
    self.reduction = reduction
    builder = GraphBuilder(rewriting: graph, interning: true)
  }

  mutating func result() throws -> Graph? {
    let kept = (reduction.outputs ?? Array(graph.outputs.indices)).map { ($0, graph.outputs[$0]) }
    let needed = needed(from: kept.map { reduction.target(of: $0.1.value) })
    // Inputs keep the order of parameters.
    for id in graph.inputs where needed.contains(id) { try add(id) }
    for id in graph.values where needed.contains(id) && builder[id] == nil { try add(id) }
    let outputs = kept.compactMap { index, output in
      builder[reduction.target(of: output.value)].map {
        Output(
          name: output.name, value: $0,
          storage: reduction.plainOutputs.contains(index) ? .f32 : output.storage)
      }
    }
    let nodes = builder.nodes
    let inputs = nodes.indices.map { ValueID($0) }.filter { nodes[$0.index].inputName != nil }
    let draft = Graph(
      name: graph.name, nodes: nodes, inputs: inputs, outputs: outputs, scopes: graph.scopes)
    let canonical = try Canonicalizer.canonical(draft)
    try GraphVerifier.verify(canonical)
    return canonical
  }

  private func needed(from roots: [ValueID]) -> Set<ValueID> {
    var needed: Set<ValueID> = []
    var stack = roots
    while let id = stack.popLast() {
      guard needed.insert(id).inserted, id != reduction.cut else { continue }
      stack += graph[id].operands.map(reduction.target(of:))
    }
    return needed
  }

  private mutating func add(_ id: ValueID) throws {
    let node = graph[id]
    if id == reduction.cut {
      let shape = mapped(node.shape)
      return insert(.input(name: freshName(), storage: .f32), [], shape, node, as: id)
    }
    let operands = node.operands.compactMap { builder[reduction.target(of: $0)] }
    guard operands.count == node.operands.count else { return }
    let op = op(of: id, operands.map { builder.node($0).shape })
    let shape = try op.resultShape(
      of: operands.map { builder.node($0).shape }, requested: mapped(node.shape))
    insert(op, operands, shape, node, as: id)
  }

  private mutating func insert(
    _ op: Op, _ operands: [ValueID], _ shape: Shape, _ node: Node, as id: ValueID
  ) {
    // A value that becomes an input has the input's name and no other.
    let isPlain = reduction.dropsNames || id == reduction.cut
    builder[id] = builder.add(
      op, operands, shape: shape, name: isPlain ? nil : node.name, scope: isPlain ? nil : node.scope
    )
  }

  private func freshName() -> String {
    let taken = Set(graph.nodes.compactMap(\.inputName) + graph.outputs.map(\.name))
    var number = 0
    while taken.contains("in\(number)") { number += 1 }
    return "in\(number)"
  }

  private func mapped(_ extent: Int) -> Int { reduction.extents[extent] ?? extent }

  private func mapped(_ shape: Shape) -> Shape {
    Shape(hasRows: shape.hasRows, extents: shape.extents.map(mapped))
  }

  /// The operation with its numbers fitted to the new operands.
  private func op(of id: ValueID, _ operands: [Shape]) -> Op {
    let op = graph[id].op
    let extent = operands.map(\.rowExtent).max() ?? 1
    switch op {
    case .input(let name, let storage):
      return .input(name: name, storage: reduction.plainInputs.contains(id) ? .f32 : storage)
    case .statistic(let statistic):
      if reduction.wholeRow.contains(id) { return .statistic(Statistic(statistic.reduction)) }
      guard case .leadingCount(let count) = statistic.window else { return op }
      return .statistic(Statistic(statistic.reduction, over: .leadingCount(min(count, extent))))
    case .columns(let start, let count):
      let smaller = min(mapped(count), extent)
      // Parts of a split stay parts.
      let first = start % count == 0 ? start / count * smaller : start
      return .columns(start: min(first, extent - smaller), count: smaller)
    case .leadingPart(let count, let whole):
      // A part of the whole row would be the row itself, which the text form leaves out.
      return .leadingPart(count: max(1, count * mapped(whole) / whole), extent: mapped(whole))
    case .constant, .elementwise, .convert, .dequantize, .reshape, .concatenate, .matmul, .rowSum,
      .outerSum:
      return op
    }
  }
}
