import NormGenIR
import NormGenLoops

/// The statements that work on one vector of the row.
struct VectorBody {
  let lowering: RowLowering
  let pass: Int
  let index: Index
  let loadLanes: Lanes
  /// Where in the row the vector may lie.
  let elements: Range<Int>
  var statements: [Stmt] = []
  /// What all rows of a tile share.
  var shared: [Stmt] = []
  /// What is stored when all rows of a tile are done.
  var after: [Stmt] = []
  private var expressions: [ValueID: LoopExpr] = [:]
  private var useCounts: [ValueID: Int] = [:]
  /// How deep each value's expression is nested.
  private var depths: [ValueID: Int] = [:]
  private(set) var names: NameAllocator

  init(
    lowering: RowLowering, pass: Int, index: Index, loadLanes: Lanes, elements: Range<Int>
  ) {
    self.elements = elements
    self.lowering = lowering
    self.pass = pass
    self.index = index
    self.loadLanes = loadLanes
    self.names = lowering.names
  }

  private func source(_ id: ValueID) -> Materialization.Source {
    lowering.materialization.sources[pass][id] ?? .computed
  }

  /// Counts how often each value is needed for `roots`, to name only what is shared.
  mutating func countUses(of roots: [ValueID]) {
    for root in roots {
      useCounts[root, default: 0] += 1
      guard useCounts[root] == 1, lowering.region.roles[root.index] == .row,
        source(root) == .computed
      else { continue }
      countUses(of: lowering.graph[root].operands)
    }
  }

  mutating func expression(_ id: ValueID) -> LoopExpr {
    guard lowering.region.roles[id.index] == .row else { return lowering.scalar(id) }
    if let known = expressions[id] { return known }
    let node = lowering.graph[id]
    let definition: LoopExpr
    switch source(id) {
    case .output(let output):
      let place = lowering.outputPlace(output, at: index)
      definition = .load(place.pointer, at: place.index, loadLanes)
    case .scratch:
      let pointer = lowering.scratchPointers[id] ?? Pointer(name: "", storage: .f32)
      definition = .load(pointer, at: index, loadLanes)
    case .computed:
      switch node.op {
      case .input:
        let place = lowering.inputPlace(id, at: index)
        definition = .load(place.pointer, at: place.index, loadLanes)
      case .elementwise(let op):
        let operands = node.operands.map { expression($0) }
        // x − 0 is x, whatever its sign.
        let isUnchanged =
          op == .subtract && operands[0].isVector && isBehindLeadingPart(node.operands[1])
        definition = isUnchanged ? operands[0] : .apply(op, operands)
      case .convert(let type):
        definition = .rounded(type, expression(node.operands[0]))
      case .reshape:
        definition = expression(node.operands[0])
      case .leadingPart(let count, _):
        definition = leadingPart(count, of: node.operands[0])
      case .rowSum:
        let output = lowering.graph.outputs.firstIndex { $0.value == id } ?? 0
        let place = lowering.outputPlace(output, at: index)
        definition = lowering.accumulated(
          node.operands.map { expression($0) }, .load(place.pointer, at: place.index, loadLanes))
      case .constant, .statistic, .columns, .concatenate, .matmul, .outerSum:
        definition = lowering.scalar(id)
      }
    }
    guard definition.isVector else {
      expressions[id] = definition
      return definition
    }
    let isNamed = node.name != nil && !lowering.graph.outputs.contains { $0.value == id }
    let depth = 1 + (node.operands.map { depths[$0] ?? 0 }.max() ?? 0)
    let isDeep = depth > RowLowering.deepestExpression
    guard (useCounts[id] ?? 0) > 1 || isNamed || isDeep || lowering.isShared(id) else {
      depths[id] = depth
      expressions[id] = definition
      return definition
    }
    let name = names.freshInScope("\(lowering.label(of: id))_i")
    if lowering.isShared(id) {
      shared.append(.define(name, definition))
    } else {
      statements.append(.define(name, definition))
    }
    expressions[id] = .vector(name)
    return .vector(name)
  }

  /// Adds all rows of a tile, in order, to a sum over rows that is loaded and stored once.
  mutating func addTile(to output: Int, _ lanes: Lanes) {
    let id = lowering.graph.outputs[output].value
    let place = lowering.outputPlace(output, at: index)
    let name = names.freshInScope("\(lowering.graph.outputs[output].name)_i")
    shared.append(.variable(name, .load(place.pointer, at: place.index, loadLanes)))
    let terms = lowering.graph[id].operands.map { expression($0) }
    statements.append(.assign(name, lowering.accumulated(terms, .vector(name))))
    after.append(.store(place.pointer, at: place.index, .vector(name), lanes))
  }

  private mutating func leadingPart(_ count: Int, of operand: ValueID) -> LoopExpr {
    if elements.upperBound <= count { return expression(operand) }
    guard elements.lowerBound < count else { return .constant(0) }
    return .leading(expression(operand), count: count - elements.lowerBound)
  }

  /// Whether a value is the +0 behind a leading part.
  private func isBehindLeadingPart(_ id: ValueID) -> Bool {
    guard case .leadingPart(let count, _) = lowering.graph[id].op else { return false }
    return source(id) == .computed && elements.lowerBound >= count
  }
}
