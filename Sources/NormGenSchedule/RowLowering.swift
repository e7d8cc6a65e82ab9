import NormGenIR
import NormGenLoops

/// Lowers the passes of a region to loops over vectors.
struct RowLowering {
  let region: Region
  let target: Target
  let materialization: Materialization
  var names: NameAllocator
  /// The names of the scalars that are defined already.
  var scalarNames: [ValueID: String] = [:]
  /// How deep the expressions of scalars without a name are nested.
  private var scalarDepths: [ValueID: Int] = [:]
  /// How often operands and outputs refer to each value.
  private let useCounts: [Int]
  /// The scalars that each pass may begin with, in order.
  private let scalarsByLevel: [Int: [ValueID]]
  /// Values that rows or outputs use.
  private let usedByRows: Set<ValueID>
  /// The first output that stores each value.
  let firstOutputs: [ValueID: Int]
  /// Leading parts that end short of the row's end.
  let leadingParts: [ValueID]
  /// Writes what statistics are taken of.
  let printer: GraphPrinter
  /// Deeper expressions get a name in between: nobody reads them, and C compilers have a limit.
  static let deepestExpression = 24
  /// Where the elements of inputs, outputs and scratch rows are reached.
  var inputPointers: [ValueID: Pointer] = [:]
  var outputPointers: [Pointer] = []
  var scratchPointers: [ValueID: Pointer] = [:]
  var buffers: [Buffer] = []
  let schedule: Schedule
  /// The rows that the last pass handles together.
  let tile: Int
  /// Whether the statements being made are those of the last pass over a tile.
  var isInTile = false
  var tileScalars: [String] = []
  var tileGroups: Set<String> = []
  /// The groups of outputs that are stored 64 elements at once.
  var groupNames: [Int: String] = [:]

  init(region: Region, schedule: Schedule, target: Target) {
    self.schedule = schedule
    self.region = region
    self.names = NameAllocator(of: region.graph)
    self.target = target
    let materialization = Materialization(region: region, schedule: schedule.keeping)
    self.materialization = materialization
    let graph = region.graph
    self.useCounts = graph.useCounts
    self.printer = GraphPrinter(graph)
    self.firstOutputs = Dictionary(
      zip(graph.outputs.map(\.value), graph.outputs.indices),
      uniquingKeysWith: { first, _ in first })
    var usedByRows = Set(graph.outputs.map(\.value))
    var scalarsByLevel: [Int: [ValueID]] = [:]
    for id in graph.values {
      switch region.roles[id.index] {
      case .row: usedByRows.formUnion(graph[id].operands)
      case .scalar: scalarsByLevel[region.levels[id.index], default: []].append(id)
      }
    }
    self.usedByRows = usedByRows
    self.leadingParts = graph.values.filter { id in
      if case .leadingPart(let count, _) = graph[id].op { return count < region.rowExtent }
      return false
    }
    self.scalarsByLevel = scalarsByLevel
    let isTileable = RowLowering.isTileable(region, materialization)
    self.tile = isTileable ? min(max(schedule.rowTile, 1), Schedule.mostTileRows) : 1
  }

  var graph: Graph { region.graph }
  var lanes: Int { target.lanes }

  mutating func rowProgram(summary: String) throws(PlanError) -> RowProgram {
    for id in graph.values {
      if case .statistic = graph[id].op,
        !graph[id].operands.contains(where: { region.roles[$0.index] == .row })
      {
        throw PlanError(
          at: id, in: graph,
          "\(printer.label(of: id, in: graph)): a statistic is taken of one number per row, while "
            + "the kernel's rows have \(region.rowExtent); use the number itself, or a kernel of "
            + "its own")
      }
    }
    let least = leastStatements
    guard least <= LoopProgram.mostStatements else {
      throw .tooManyStatements(least, kernel: graph.name)
    }
    makeBuffers()
    var body = pointers()
    for id in materialization.scratchStores.flatMap({ $0 }) {
      let pointer = Pointer(name: names.fresh("\(label(of: id))_kept"), storage: .f32)
      scratchPointers[id] = pointer
      body.append(.scratch(pointer, count: region.rowExtent))
    }
    if tile > 1 {
      body = tiled(pointers: body)
    } else {
      let passes = region.passes.indices.flatMap { statements(ofPass: $0) }
      if passes.contains(where: \.prefetches) { body.append(.nextRow) }
      body += passes
    }
    for (axis, extent) in region.outerExtents.enumerated().reversed() {
      body = [
        .loop(
          index: LoopIndex.outer(axis), from: .constant(0), to: .constant(extent), step: 1,
          body: body)
      ]
    }
    return RowProgram(
      name: graph.name, buffers: buffers, lanes: lanes, row: body, tile: tile,
      tileScalars: tileScalars, tileGroups: tileGroups,
      summary: summaryLines(summary))
  }

  /// What the loops have at least: a pass does each of its items between any two places where a
  /// window or a leading part ends.
  private var leastStatements: Int {
    var count = 0
    for (number, pass) in region.passes.enumerated() {
      let windows = pass.statistics.map { region.window(of: $0) }.sorted()
      let cuts = Set(windows + leadingCounts(in: number))
      var passed = 0
      for cut in cuts.sorted() {
        while passed < windows.count, windows[passed] < cut { passed += 1 }
        count += windows.count - passed + pass.stores.count
      }
    }
    return count
  }

  private func summaryLines(_ summary: String) -> [String] {
    let count = region.passes.count
    var lines = ["\(count) \(count == 1 ? "pass" : "passes") over a row: \(summary)"]
    if tile > 1 { lines.append("the last pass handles \(tile) rows together") }
    for (number, pass) in region.passes.enumerated() {
      var parts = pass.statistics.map { statistic in
        "\(label(of: statistic)) over \(region.window(of: statistic))"
      }
      parts += pass.stores.map { "store \(graph.outputs[$0].name)" }
      parts += pass.scalarStores.map { "store \(graph.outputs[$0].name), one a row" }
      if parts.isEmpty { parts = ["scalars only"] }
      lines.append("pass \(number + 1): \(parts.joined(separator: "; "))")
    }
    return lines
  }

  // MARK: Parameters

  private mutating func makeBuffers() {
    for id in graph.inputs {
      guard case .input(let name, let storage) = graph[id].op else { continue }
      let shape = region.parameterShapes[name] ?? graph[id].shape
      buffers.append(Buffer(name: name, storage: storage, shape: shape, isOutput: false))
    }
    for output in graph.outputs {
      let shape = region.parameterShapes[output.name] ?? graph[output.value].shape
      let buffer = Buffer(
        name: output.name, storage: output.storage, shape: shape, isOutput: true,
        isAccumulated: graph.isOverRows(output.value))
      buffers.append(buffer)
    }
  }

  private mutating func pointers() -> [Stmt] {
    var statements: [Stmt] = []
    for (index, buffer) in buffers.enumerated() {
      let isInput = index < graph.inputs.count
      let value =
        isInput ? graph.inputs[index] : graph.outputs[index - graph.inputs.count].value
      let offset = offset(of: buffer, seenAs: graph[value].shape)
      var pointer = Pointer(name: buffer.name, storage: buffer.storage)
      if offset != .constant(0) {
        pointer = Pointer(name: names.fresh("\(buffer.name)_row"), storage: buffer.storage)
        statements.append(.pointer(pointer, buffer: buffer.name, offset: offset))
      }
      if isInput { inputPointers[value] = pointer } else { outputPointers.append(pointer) }
    }
    return statements
  }

  /// The offset of the current row of a parameter; broadcast axes do not move it.
  private func offset(of buffer: Buffer, seenAs shape: Shape) -> Index {
    var offset = Index.constant(0)
    if buffer.shape.hasRows {
      offset = .variable(LoopIndex.row) * .stride(buffer.name)
    }
    let extents = shape.extents
    var stride = extents.last ?? 1
    for distance in 0..<region.outerExtents.count {
      let axis = region.outerExtents.count - 1 - distance
      let position = extents.count - 2 - distance
      guard position >= 0 else { break }
      if extents[position] > 1 {
        offset = offset + .variable(LoopIndex.outer(axis)) * .constant(stride)
      }
      stride *= extents[position]
    }
    return offset
  }

  // MARK: Scalars

  /// The scalars that are ready when `pass` begins, and the outputs that store them.
  mutating func scalarStatements(beforePass pass: Int) -> [Stmt] {
    var statements: [Stmt] = []
    for id in scalarsByLevel[pass] ?? [] where scalarNames[id] == nil {
      let node = graph[id]
      let family = node.op.traits.family
      guard family == .input || family == .elementwise else { continue }
      if family == .elementwise {
        let isInline =
          node.name == nil && useCounts[id.index] == 1 && !usedByRows.contains(id)
        let depth = 1 + (node.operands.map { scalarDepths[$0] ?? 0 }.max() ?? 0)
        if isInline, depth <= RowLowering.deepestExpression {
          scalarDepths[id] = depth
          continue
        }
      }
      let expression = scalarDefinition(id)
      let name = name(of: id)
      statements.append(.define(name, expression))
      scalarNames[id] = name
    }
    for index in region.passes[pass].scalarStores {
      let value = scalar(graph.outputs[index].value)
      statements.append(.storeScalar(outputPointers[index], at: .constant(0), value))
    }
    return statements
  }

  func scalar(_ id: ValueID) -> LoopExpr {
    if let name = scalarNames[id] { return .scalar(name) }
    return scalarDefinition(id)
  }

  private func scalarDefinition(_ id: ValueID) -> LoopExpr {
    let node = graph[id]
    switch node.op {
    case .constant(let bits):
      return .constant(Float(bitPattern: bits))
    case .input:
      let pointer = inputPointers[id] ?? Pointer(name: "", storage: .f32)
      return .loadScalar(pointer, at: .constant(0))
    case .elementwise(let op):
      return .apply(op, node.operands.map { scalar($0) })
    case .convert(let type):
      return .rounded(type, scalar(node.operands[0]))
    case .rowSum:
      let pointer = outputPointer(of: id)
      return accumulated(
        node.operands.map { scalar($0) }, .loadScalar(pointer, at: .constant(0)))
    case .dequantize, .statistic, .reshape, .columns, .concatenate, .leadingPart, .matmul,
      .outerSum:
      // Statistics are named when their pass ends; reshapes are gone, and a matmul is a row.
      return .scalar(scalarNames[id] ?? "")
    }
  }

  /// The pointer of the output that stores a value.
  private func outputPointer(of id: ValueID) -> Pointer {
    firstOutputs[id].map { outputPointers[$0] } ?? Pointer(name: "", storage: .f32)
  }

  /// A sum over rows with the terms of one more row.
  func accumulated(_ factors: [LoopExpr], _ sum: LoopExpr) -> LoopExpr {
    factors.count == 2
      ? .apply(.multiplyAdd, factors + [sum]) : .apply(.add, [sum] + factors)
  }

  /// A value's own name, or a new one.
  mutating func name(of id: ValueID) -> String {
    graph[id].name.map { names.own($0) } ?? names.fresh(label(of: id))
  }

  /// A readable name for a value.
  func label(of id: ValueID) -> String {
    let node = graph[id]
    if let name = node.name { return name }
    switch node.op {
    case .input(let name, _): return name
    case .constant: return "constant"
    case .statistic(let statistic): return "row_\(statistic.reduction.rawValue)"
    case .convert: return "rounded"
    case .dequantize: return "values"
    case .reshape: return "reshaped"
    case .columns: return "columns"
    case .concatenate: return "concatenated"
    case .leadingPart: return "leading"
    case .matmul: return "product"
    case .rowSum, .outerSum: return "total"
    case .elementwise(let op):
      switch op {
      case .add, .multiplyAdd: return "sum"
      case .subtract: return "difference"
      case .multiply: return "product"
      case .divide: return "quotient"
      case .negate: return "negated"
      case .absolute: return "magnitude"
      case .binade: return "power"
      case .squareRoot: return "root"
      case .maximum: return "larger"
      case .minimum: return "smaller"
      case .selectGreater: return "selected"
      case .exp, .log, .tanh, .erf, .sigmoid: return "\(op.rawValue)_value"
      }
    }
  }
}
