import NormGenIR
import NormGenLoops

/// Rows that the last pass handles together, so that what they share is loaded and widened once.
extension RowLowering {
  /// Whether the last pass only stores what it computes from parameters and scalars.
  static func isTileable(_ region: Region, _ materialization: Materialization) -> Bool {
    guard region.passes.count > 1, region.outerExtents.isEmpty, let last = region.passes.last,
      last.statistics.isEmpty, !last.stores.isEmpty
    else { return false }
    let sources = materialization.sources.last ?? [:]
    return !sources.values.contains(.scratch)
  }

  /// All passes but the last for each row of a tile, then the last for all of them.
  ///
  /// Rows that lie in the nearest cache go through every pass side by side, so that one row's tree
  /// and roots do not hold up the next row.
  mutating func tiled(pointers: [Stmt]) -> [Stmt] {
    let last = region.passes.count - 1
    var parts: [[Stmt]] = []
    for pass in 0..<last { parts.append(statements(ofPass: pass)) }
    parts.append(scalarStatements(beforePass: last))
    let hasScratch = pointers.contains { statement in
      if case .scratch = statement { return true }
      return false
    }
    if hasScratch || region.rowExtent > RowLowering.longestSideBySide {
      parts = [parts.flatMap { $0 }]
    }
    isInTile = true
    let tail = statements(ofPass: last)
    isInTile = false
    // From the last part to the first, with what the parts behind use.
    var used = RowLowering.usedScalars(tail)
    var kept: [[String]] = []
    for part in parts.reversed() {
      kept.append(RowLowering.definedScalars(part).filter(used.contains))
      used.formUnion(RowLowering.usedScalars(part))
    }
    tileScalars += kept.reversed().flatMap { $0 }
    var places: [String: Int] = [:]
    var always: [Int] = []
    for (place, statement) in pointers.enumerated() {
      if case .pointer(let pointer, _, _) = statement {
        places[pointer.name] = place
      } else {
        always.append(place)
      }
    }
    return parts.filter { !$0.isEmpty }.map { part in
      let used = RowLowering.usedPointers(part).compactMap { places[$0] }
      return .rows((used + always).sorted().map { pointers[$0] } + part)
    } + tail
  }

  /// In elements; measured.
  private static let longestSideBySide = 256

  /// Whether a row-wise value is the same for every row.
  func isShared(_ id: ValueID) -> Bool {
    isInTile && !graph[id].shape.hasRows && !graph.isOverRows(id)
  }

  // MARK: Prefetching

  /// The inputs whose next row the last pass asks for: between the passes over one row memory
  /// would stand idle. The processor's own prefetching covers short rows and kernels of one pass.
  var prefetchedInputs: [ValueID] {
    guard schedule.prefetchesNextRow, region.passes.count > 1, region.outerExtents.isEmpty else {
      return []
    }
    return graph.inputs.filter { id in
      guard case .input(_, let storage) = graph[id].op else { return false }
      return graph[id].shape.hasRows && graph[id].shape.rowExtent == region.rowExtent
        && region.rowExtent * storage.byteCount >= RowLowering.shortestPrefetchedRow
    }
  }

  /// In bytes; measured.
  private static let shortestPrefetchedRow = 1024

  /// What a pass asks for while it handles 64 elements at `index`.
  func prefetches(in pass: Int, at index: Index) -> [Stmt] {
    guard pass == region.passes.count - 1 else { return [] }
    let requests = prefetchedInputs.compactMap { id -> Stmt? in
      guard case .input(let name, let storage) = graph[id].op else { return nil }
      let next = Index.variable(LoopIndex.next) * .stride(name)
      return .prefetch(Pointer(name: name, storage: storage), at: next + index)
    }
    guard isInTile, !requests.isEmpty else { return requests }
    return [.rows([.nextRow] + requests)]
  }

  // MARK: Names

  private static func definedScalars(_ statements: [Stmt]) -> [String] {
    statements.compactMap { statement in
      if case .define(let name, let expression) = statement, !expression.isVector { return name }
      return nil
    }
  }

  private static func usedScalars(_ statements: [Stmt]) -> Set<String> {
    var used: Set<String> = []
    for statement in statements {
      statement.visitExpressions { expression in
        if case .scalar(let name) = expression { used.insert(name) }
      }
    }
    return used
  }

  private static func usedPointers(_ statements: [Stmt]) -> Set<String> {
    var used: Set<String> = []
    for statement in statements {
      statement.visitExpressions { expression in
        if let source = expression.source { used.insert(source.name) }
      }
      statement.visitStores { used.insert($0.name) }
    }
    return used
  }
}
