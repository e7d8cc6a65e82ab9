import NormGenIR
import NormGenLoops

/// The loops over a row or a block of it.
extension RowLowering {
  /// A pass without statistics: the row by groups of 64, then what is left.
  mutating func plainLoops(_ items: [Item], pass: Int) -> [Stmt] {
    var statements: [Stmt] = []
    var cursor = 0
    for boundary in leadingCounts(in: pass) + [region.rowExtent] where boundary > cursor {
      let whole = boundary / lanes * lanes
      statements += vectors(items, base: .constant(0), from: cursor, to: whole, pass: pass)
      cursor = whole
      guard whole < boundary else { continue }
      statements += [
        straight(
          body(
            items, at: .constant(whole), slot: .constant(0), pass: pass, remaining: whole,
            elements: whole..<whole + lanes),
          from: whole, count: min(region.rowExtent - whole, lanes))
      ]
      cursor = whole + lanes
    }
    return withGroupsOnce(statements)
  }

  /// One block of the canonical order, from `from` to `to`; a repeated block counts from `base`.
  mutating func block(
    _ items: [Item], base: Index, from: Int, to: Int, pass: Int,
    repeatedOver span: Range<Int>? = nil
  ) -> [Stmt] {
    let isRepeated = span != nil
    var statements: [Stmt] = []
    for item in items {
      if case .statistic(let id, let partials) = item.kind {
        statements.append(.partials(partials, reduction(id)))
      }
    }
    let reach = items.map { isRepeated ? to : min($0.extent, to) }
    var cursor = from
    let cuts = isRepeated ? [] : leadingCounts(in: pass).filter { $0 < reach.max() ?? to }
    for boundary in Set(reach + cuts).sorted() where boundary > cursor {
      let active = zip(items, reach).filter { $0.1 >= boundary }.map(\.0)
      let whole = boundary / lanes * lanes
      statements += vectors(
        active, base: base, from: cursor, to: whole, pass: pass, elements: span)
      cursor = whole
      if whole < boundary {
        let reaching = zip(items, reach).filter { $0.1 > whole }.map(\.0)
        let end = min(reaching.map(\.extent).max() ?? boundary, whole + lanes)
        statements += [
          straight(
            body(
              reaching, at: base + .constant(whole), slot: slot(whole), pass: pass,
              remaining: whole, elements: whole..<whole + lanes), from: whole, count: end - whole)
        ]
        cursor = whole + lanes
      }
    }
    return withGroupsOnce(statements)
  }

  /// Statements in which no group is declared again: the vectors of a later one replace those of an
  /// earlier one.
  private func withGroupsOnce(_ statements: [Stmt]) -> [Stmt] {
    var declared: Set<String> = []
    return statements.filter { statement in
      guard case .group(let name) = statement else { return true }
      return declared.insert(name).inserted
    }
  }

  /// One vector outside a loop.
  private func straight(_ statements: [Stmt], from: Int, count: Int) -> Stmt {
    .section(
      "Elements \(from) to \(from + count - 1)" + (count < lanes ? ", less than a vector." : "."),
      statements)
  }

  private func slot(_ element: Int) -> Index {
    .constant(element % SumOrder.partials / lanes)
  }

  /// Whole vectors of elements from..<to: up to a multiple of 64, then by 64, then the rest.
  ///
  /// - Parameter elements: Where in the row they may lie, if not there.
  private mutating func vectors(
    _ items: [Item], base: Index, from: Int, to: Int, pass: Int, elements: Range<Int>? = nil
  ) -> [Stmt] {
    guard from < to else { return [] }
    let elements = elements ?? from..<to
    let group = SumOrder.partials
    var statements: [Stmt] = []
    var cursor = from
    if cursor % group != 0 {
      let stop = min(to, (cursor / group + 1) * group)
      statements += partialGroup(
        items, base: base, from: cursor, to: stop, pass: pass, elements: elements)
      cursor = stop
    }
    let groups = (to - cursor) / group
    if groups > 1 {
      let prefetches = prefetches(in: pass, at: .variable(LoopIndex.element))
      for (part, range) in partialRanges(items).enumerated() {
        let inner = slots(
          items, base: .variable(LoopIndex.element), range: range, pass: pass, elements: elements)
        statements.append(
          .loop(
            index: LoopIndex.element, from: base + .constant(cursor),
            to: base + .constant(cursor + groups * group), step: .constant(group),
            body: (part == 0 ? prefetches : []) + inner))
      }
      cursor += groups * group
    } else if groups == 1 {
      statements += partialGroup(
        items, base: base, from: cursor, to: cursor + group, pass: pass, elements: elements)
      cursor += group
    }
    if cursor < to {
      statements += partialGroup(
        items, base: base, from: cursor, to: to, pass: pass, elements: elements)
    }
    return statements
  }

  /// The vectors of a group of 64, in parts whose partials fit the registers. Partials do not see
  /// each other before their tree, so the bits are the same.
  private func partialRanges(_ items: [Item]) -> [Range<Int>] {
    let vectors = Partials.vectors(lanes: lanes)
    let isStored = items.contains { item in
      if case .statistic = item.kind { false } else { true }
    }
    guard let limit = target.partialVectors, !isStored, items.count > 1 else {
      return [0..<vectors]
    }
    var part = vectors
    while part > 1, part * items.count > limit { part /= 2 }
    return stride(from: 0, to: vectors, by: part).map { $0..<$0 + part }
  }

  private mutating func partialGroup(
    _ items: [Item], base: Index, from: Int, to: Int, pass: Int, elements: Range<Int>
  ) -> [Stmt] {
    let start = from / SumOrder.partials * SumOrder.partials
    let first = (from - start) / lanes
    let end = (to - start) / lanes
    if end - first == 1 {
      return [
        straight(
          body(
            items, at: base + .constant(from), slot: .constant(first), pass: pass, remaining: nil,
            elements: elements),
          from: from, count: lanes)
      ]
    }
    return slots(
      items, base: base + .constant(start), range: first..<end, pass: pass, elements: elements)
  }

  private mutating func slots(
    _ items: [Item], base: Index, range: Range<Int>, pass: Int, elements: Range<Int>
  ) -> [Stmt] {
    let index = base + .variable(LoopIndex.vector) * .constant(lanes)
    let isWhole = range == 0..<Partials.vectors(lanes: lanes)
    let groups = isWhole ? groupedStores(items) : [:]
    let loop = Stmt.loop(
      index: LoopIndex.vector, from: .constant(range.lowerBound), to: .constant(range.upperBound),
      step: 1,
      body: body(
        items, at: index, slot: .variable(LoopIndex.vector), pass: pass, remaining: nil,
        elements: elements,
        groups: groups))
    let ordered = groups.sorted { $0.key < $1.key }
    let stores = ordered.map { output, group -> Stmt in
      let place = outputPlace(output, at: base)
      return .storeGroup(place.pointer, at: place.index, group)
    }
    guard isInTile, !stores.isEmpty else {
      return ordered.map { .group($0.value) } + [loop] + stores
    }
    tileGroups.formUnion(groups.values)
    return ordered.map { .group($0.value) } + [loop, .rows(stores)]
  }

  /// The outputs that are stored 64 elements at once, and the names of their groups: rounding two
  /// vectors to bf16, or four to i8 or u8, together takes half the instructions.
  private mutating func groupedStores(_ items: [Item]) -> [Int: String] {
    guard target.pairsHalfStores else { return [:] }
    var groups: [Int: String] = [:]
    for item in items {
      guard case .store(let output) = item.kind else { continue }
      switch outputPointers[output].storage {
      case .f32, .f16, .f8E4M3, .f8E5M2: continue
      case .bf16, .i8, .u8: break
      }
      let name = groupNames[output] ?? names.fresh("\(graph.outputs[output].name)_group")
      groupNames[output] = name
      groups[output] = name
    }
    return groups
  }

  /// The work on one vector; `remaining` is its first element if the row or an item may end in it.
  private mutating func body(
    _ items: [Item], at index: Index, slot: Index, pass: Int, remaining element: Int?,
    elements: Range<Int>, groups: [Int: String] = [:]
  ) -> [Stmt] {
    func reach(_ extent: Int) -> Lanes {
      guard let element, extent - element < lanes else { return .all }
      return .first(extent - element)
    }
    var vector = VectorBody(
      lowering: self, pass: pass, index: index, loadLanes: reach(region.rowExtent),
      elements: elements)
    vector.countUses(
      of: items.flatMap { item -> [ValueID] in
        switch item.kind {
        case .statistic(let id, _): graph[id].operands
        case .store(let output): [graph.outputs[output].value]
        case .scratch(let id): [id]
        }
      })
    for item in items {
      switch item.kind {
      case .statistic(let id, let partials):
        let terms = graph[id].operands.map { vector.expression($0) }
        vector.statements.append(
          .accumulate(
            partials: partials, slot: slot, reduction(id), terms: terms, reach(item.extent)))
      case .store(let output) where isInTile && graph.isOverRows(graph.outputs[output].value):
        vector.addTile(to: output, reach(item.extent))
      case .store(let output):
        var value = vector.expression(graph.outputs[output].value)
        // The store rounds to its type anyway, and rounding twice to one type is rounding once.
        let place = outputPlace(output, at: index)
        if case .rounded(place.pointer.storage, let unrounded) = value {
          value = unrounded
        }
        if let group = groups[output] {
          vector.statements.append(.setGroup(group, slot: slot, value))
          continue
        }
        vector.statements.append(
          .store(place.pointer, at: place.index, value, reach(item.extent)))
      case .scratch(let id):
        guard let pointer = scratchPointers[id] else { continue }
        let value = vector.expression(id)
        vector.statements.append(.store(pointer, at: index, value, reach(item.extent)))
      }
    }
    names.close(vector.names)
    guard isInTile else { return vector.statements }
    return vector.shared + [.rows(vector.statements)] + vector.after
  }

  /// Where an element of an output lies: in its current row, or counted from its first.
  func outputPlace(_ output: Int, at index: Index) -> (pointer: Pointer, index: Index) {
    guard isInTile else { return (outputPointers[output], index) }
    let stored = graph.outputs[output]
    guard !graph.isOverRows(stored.value) else { return (outputPointers[output], index) }
    return (
      Pointer(name: stored.name, storage: stored.storage),
      .variable(LoopIndex.row) * .stride(stored.name) + index
    )
  }

  /// Where an element of an input lies.
  func inputPlace(_ id: ValueID, at index: Index) -> (pointer: Pointer, index: Index) {
    let pointer = inputPointers[id] ?? Pointer(name: "", storage: .f32)
    guard isInTile, graph[id].shape.hasRows, case .input(let name, let storage) = graph[id].op
    else { return (pointer, index) }
    return (
      Pointer(name: name, storage: storage), .variable(LoopIndex.row) * .stride(name) + index
    )
  }
}
