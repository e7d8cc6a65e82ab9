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
    self.names = lowering.names.scope
  }

  private func source(_ id: ValueID) -> Materialization.Source {
    lowering.materialization.sources[pass][id] ?? .computed
  }

  /// Counts how often each value is needed for `roots`, to name only what is shared.
  mutating func countUses(of roots: [ValueID]) {
    var pending = roots
    while let id = pending.popLast() {
      useCounts[id, default: 0] += 1
      guard useCounts[id] == 1, lowering.region.roles[id.index] == .row, source(id) == .computed
      else { continue }
      pending += lowering.graph[id].operands
    }
  }

  /// The expression of a value; what it needs is defined before, operands from left to right.
  mutating func expression(_ root: ValueID) -> LoopExpr {
    // Without recursion: chains are long.
    var pending: [(id: ValueID, operands: ArraySlice<ValueID>)] = [(root, operands(of: root))]
    while let (id, operands) = pending.last {
      if let operand = operands.first {
        pending[pending.count - 1].operands = operands.dropFirst()
        if isRow(operand), expressions[operand] == nil {
          pending.append((operand, self.operands(of: operand)))
        }
      } else {
        pending.removeLast()
        define(id)
      }
    }
    return known(root)
  }

  private func isRow(_ id: ValueID) -> Bool { lowering.region.roles[id.index] == .row }

  /// The expression of a scalar, or of a row-wise value that is defined.
  private func known(_ id: ValueID) -> LoopExpr { expressions[id] ?? lowering.scalar(id) }

  /// The values that the definition of a row-wise value needs.
  private func operands(of id: ValueID) -> ArraySlice<ValueID> {
    guard isRow(id), expressions[id] == nil, source(id) == .computed else { return [] }
    if case .leadingPart(let count, _) = lowering.graph[id].op, elements.lowerBound >= count {
      return []
    }
    return lowering.graph[id].operands[...]
  }

  /// Defines a row-wise value whose operands are defined.
  private mutating func define(_ id: ValueID) {
    guard isRow(id), expressions[id] == nil else { return }
    let node = lowering.graph[id]
    let definition: LoopExpr
    switch source(id) {
    case .output(let output):
      let place = lowering.outputPlace(output, at: index)
      definition = .load(place.pointer, at: place.index, loadLanes)
    case .scratch:
      let pointer = lowering.scratchPointers[id] ?? Pointer(name: "", storage: .f32)
      definition = .load(pointer, at: index, loadLanes)
    case .computed: definition = computed(id, node)
    }
    let isVector = definition.isVector
    guard isVector || !definition.isAtom else {
      expressions[id] = definition
      return
    }
    let isNamed = isVector && node.name != nil && lowering.firstOutputs[id] == nil
    let depth = 1 + (node.operands.map { depths[$0] ?? 0 }.max() ?? 0)
    let isDeep = depth > RowLowering.deepestExpression
    let isUsedAgain = (useCounts[id] ?? 0) > 1
    guard isUsedAgain || isNamed || isDeep || isVector && lowering.isShared(id) else {
      depths[id] = depth
      expressions[id] = definition
      return
    }
    let name = names.fresh("\(lowering.label(of: id))_i")
    if lowering.isShared(id) {
      shared.append(.define(name, definition))
    } else {
      statements.append(.define(name, definition))
    }
    expressions[id] = isVector ? .vector(name) : .scalar(name)
  }

  private mutating func computed(_ id: ValueID, _ node: Node) -> LoopExpr {
    switch node.op {
    case .input:
      let place = lowering.inputPlace(id, at: index)
      return .load(place.pointer, at: place.index, loadLanes)
    case .elementwise(let op):
      let operands = node.operands.map { known($0) }
      // x − 0 is x, whatever its sign.
      let isUnchanged =
        op == .subtract && operands[0].isVector && isBehindLeadingPart(node.operands[1])
      return isUnchanged ? operands[0] : .apply(op, operands)
    case .convert(let type):
      return .rounded(type, known(node.operands[0]))
    case .reshape:
      return known(node.operands[0])
    case .leadingPart(let count, _):
      return leadingPart(count, of: node.operands[0])
    case .rowSum:
      let place = lowering.outputPlace(lowering.firstOutputs[id] ?? 0, at: index)
      return lowering.accumulated(
        node.operands.map { known($0) }, .load(place.pointer, at: place.index, loadLanes))
    case .constant, .dequantize, .statistic, .columns, .concatenate, .matmul, .outerSum:
      return lowering.scalar(id)
    }
  }

  /// Adds all rows of a tile, in order, to a sum over rows that is loaded and stored once.
  mutating func addTile(to output: Int, _ lanes: Lanes) {
    let id = lowering.graph.outputs[output].value
    let place = lowering.outputPlace(output, at: index)
    let name = names.fresh("\(lowering.graph.outputs[output].name)_i")
    shared.append(.variable(name, .load(place.pointer, at: place.index, loadLanes)))
    let terms = lowering.graph[id].operands.map { expression($0) }
    statements.append(.assign(name, lowering.accumulated(terms, .vector(name))))
    after.append(.store(place.pointer, at: place.index, .vector(name), lanes))
  }

  private mutating func leadingPart(_ count: Int, of operand: ValueID) -> LoopExpr {
    if elements.upperBound <= count { return known(operand) }
    guard elements.lowerBound < count else { return .constant(0) }
    return .leading(known(operand), count: count - elements.lowerBound)
  }

  /// Whether a value is the +0 behind a leading part.
  private func isBehindLeadingPart(_ id: ValueID) -> Bool {
    guard case .leadingPart(let count, _) = lowering.graph[id].op else { return false }
    return source(id) == .computed && elements.lowerBound >= count
  }
}

extension LoopExpr {
  /// Whether writing it again costs nothing: a name or a number.
  fileprivate var isAtom: Bool {
    switch self {
    case .vector, .scalar, .constant: true
    case .load, .loadScalar, .apply, .rounded, .leading, .combined, .broadcast, .entry,
      .scalarEntry, .choose, .number, .stored, .storedVector, .storedZero, .storedZeros, .pairs,
      .pair, .widened, .dot, .bytes, .words, .bits, .signedBits, .storedBits, .joined, .whole,
      .quads, .quad, .quadZeros, .quadStart, .quadDot, .quadTotal, .signFlipped:
      false
    }
  }
}
