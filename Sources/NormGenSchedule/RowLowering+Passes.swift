import NormGenIR
import NormGenLoops

extension RowLowering {
  /// Something that a pass does for every element up to `extent`.
  struct Item {
    enum Kind {
      case statistic(ValueID, partials: String)
      case store(Int)
      case scratch(ValueID)
    }

    let kind: Kind
    let extent: Int
  }

  /// The loops of a pass, with the scalars before it and its statistics after it.
  mutating func statements(ofPass pass: Int) -> [Stmt] {
    let plan = region.passes[pass]
    // Before the last pass over a tile they are set already, row by row.
    var statements: [Stmt] = isInTile ? [] : scalarStatements(beforePass: pass)
    let stores =
      plan.stores.map { Item(kind: .store($0), extent: region.rowExtent) }
      + materialization.scratchStores[pass].map {
        Item(kind: .scratch($0), extent: region.rowExtent)
      }
    guard !plan.statistics.isEmpty || !stores.isEmpty else { return statements }
    statements.append(.comment(comment(ofPass: pass)))
    guard !plan.statistics.isEmpty else {
      return statements + plainLoops(stores, pass: pass)
    }

    let reductions = plan.statistics.map { id -> (id: ValueID, name: String, extent: Int) in
      (id, names.fresh("\(label(of: id))_partials"), region.window(of: id))
    }
    let items =
      reductions.map { Item(kind: .statistic($0.id, partials: $0.name), extent: $0.extent) }
      + stores
    let end = items.map(\.extent).max() ?? 0
    if end <= SumOrder.block {
      statements += block(items, base: .constant(0), from: 0, to: end, pass: pass)
      for reduction in reductions {
        let name = name(of: reduction.id)
        let total = LoopExpr.combined(self.reduction(reduction.id), partials: reduction.name)
        statements.append(.define(name, finished(total, reduction.id, reduction.extent)))
        scalarNames[reduction.id] = name
      }
      return statements
    }

    var totals: [ValueID: String] = [:]
    for reduction in reductions {
      let name = names.fresh("\(label(of: reduction.id))_total")
      totals[reduction.id] = name
      statements.append(.variable(name, .constant(self.reduction(reduction.id).identity)))
    }
    let fullBlocks = (items.map(\.extent).min() ?? 0) / SumOrder.block
    for span in repeatedBlocks(upTo: fullBlocks * SumOrder.block, pass: pass) {
      let isCut = leadingCounts(in: pass).contains { span.lowerBound < $0 && $0 < span.upperBound }
      guard !isCut else {
        let body = block(
          items, base: .constant(0), from: span.lowerBound, to: span.upperBound, pass: pass)
        statements.append(
          .section(
            "Elements \(span.lowerBound) to \(span.upperBound - 1).",
            body + reductions.map { added($0.id, $0.name, totals) }))
        continue
      }
      var body = block(
        items, base: .variable(LoopIndex.block), from: 0, to: SumOrder.block, pass: pass,
        repeatedOver: span
      )
      body += reductions.map { added($0.id, $0.name, totals) }
      statements.append(
        .loop(
          index: LoopIndex.block, from: .constant(span.lowerBound), to: .constant(span.upperBound),
          step: .constant(SumOrder.block), body: body))
    }
    var start = fullBlocks * SumOrder.block
    while start < end {
      let stop = min(start + SumOrder.block, end)
      let active = items.filter { $0.extent > start }
      // Every block has partials of its own.
      var body = block(active, base: .constant(0), from: start, to: stop, pass: pass)
      for reduction in reductions where reduction.extent > start {
        body.append(added(reduction.id, reduction.name, totals))
      }
      statements.append(.section("Elements \(start) to \(stop - 1).", body))
      start = stop
    }
    for reduction in reductions {
      let name = name(of: reduction.id)
      let total = LoopExpr.scalar(totals[reduction.id] ?? "")
      statements.append(.define(name, finished(total, reduction.id, reduction.extent)))
      scalarNames[reduction.id] = name
    }
    return statements
  }

  private func comment(ofPass pass: Int) -> String {
    let plan = region.passes[pass]
    var parts: [String] = []
    for id in plan.statistics {
      let window = region.window(of: id)
      let reach = window == region.rowExtent ? "all" : "the first"
      let definition = printer.definition(of: id)
      parts.append("\(label(of: id)) = \(definition), over \(reach) \(window)")
    }
    for index in plan.stores { parts.append("output \(graph.outputs[index].name)") }
    for id in materialization.scratchStores[pass] { parts.append("keeps \(label(of: id))") }
    return "Pass \(pass + 1): " + parts.joined(separator: "; ") + "."
  }

  // MARK: Statistics

  func reduction(_ id: ValueID) -> Reduction {
    if case .statistic(let statistic) = graph[id].op { return statistic.reduction }
    return .sum
  }

  private func finished(_ total: LoopExpr, _ id: ValueID, _ count: Int) -> LoopExpr {
    reduction(id) == .mean ? .apply(.divide, [total, .constant(Float(count))]) : total
  }

  private func added(_ id: ValueID, _ partials: String, _ totals: [ValueID: String]) -> Stmt {
    let name = totals[id] ?? ""
    let combined = LoopExpr.combined(reduction(id), partials: partials)
    return .assign(name, .apply(reduction(id).combination, [.scalar(name), combined]))
  }

  // MARK: Leading parts

  /// Where the leading parts end that a pass computes, short of the row's end.
  func leadingCounts(in pass: Int) -> [Int] {
    let counts = leadingParts.compactMap { id -> Int? in
      guard case .leadingPart(let count, _) = graph[id].op,
        materialization.sources[pass][id] == .computed
      else { return nil }
      return count
    }
    return Set(counts).sorted()
  }

  /// The blocks up to `end` in spans that need one loop each: a leading part ends between them, or
  /// inside a span of one block.
  private func repeatedBlocks(upTo end: Int, pass: Int) -> [Range<Int>] {
    let size = SumOrder.block
    let cuts = leadingCounts(in: pass).filter { $0 < end }
    let starts = cuts.map { $0 / size * size }
    let ends = cuts.map { ($0 + size - 1) / size * size }
    let limits = Set([0, end] + starts + ends).sorted()
    return zip(limits, limits.dropFirst()).map { $0..<$1 }
  }
}
