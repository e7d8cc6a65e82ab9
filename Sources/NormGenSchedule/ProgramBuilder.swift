import NormGenIR
public import NormGenLoops

/// Puts the row programs of a plan together with its products.
public struct ProgramBuilder {
  private let plan: KernelPlan
  private let target: Target
  private let schedule: MatmulSchedule
  private let panels: [ValueID: [KernelPlan.PlannedPanel]]
  private let totalNames: [ValueID: String]
  /// What is computed from each input.
  private var uses: [ValueID: Set<Op>] = [:]
  /// The factors of outer sums: left and right.
  private var leftFactors: Set<ValueID> = []
  private var rightFactors: Set<ValueID> = []
  private let stored: Set<ValueID>
  /// The parameters that hold computed weights: whatever a schedule says, they are computed once.
  private let computed: Set<String>

  private var graph: Graph { plan.graph }

  private init(_ plan: KernelPlan, _ schedule: MatmulSchedule, _ target: Target) {
    self.plan = plan
    self.schedule = schedule
    self.target = target
    panels = plan.panelsByValue
    totalNames = Dictionary(
      plan.totals.map { ($0.value, $0.name) }, uniquingKeysWith: { first, _ in first })
    stored = Set(plan.graph.outputs.map(\.value))
    computed = Set(plan.computedWeights.map(\.name))
    for node in plan.graph.nodes {
      for operand in node.operands where plan.graph[operand].inputName != nil {
        uses[operand, default: []].insert(node.op)
      }
      guard node.op == .outerSum else { continue }
      leftFactors.insert(node.operands[0])
      rightFactors.insert(node.operands[1])
    }
  }

  /// The program of a plan.
  ///
  /// - Parameters:
  ///   - plan: The plan.
  ///   - rowPrograms: The row programs of each stage's regions.
  ///   - weights: The row programs of computed weights, in the plan's order.
  ///   - schedule: The knobs of the matmuls.
  ///   - target: The instruction set.
  public static func program(
    of plan: KernelPlan, rowPrograms: [[RowProgram]], weights: [RowProgram] = [],
    schedule: MatmulSchedule, target: Target
  ) -> LoopProgram {
    ProgramBuilder(plan, schedule, target).program(rowPrograms: rowPrograms, weights: weights)
  }

  private func program(rowPrograms: [[RowProgram]], weights: [RowProgram]) -> LoopProgram {
    let panels = plan.panels.map { panel in
      Panel(
        name: panel.name, storage: panel.storage,
        columns: graph[panel.value].shape.elementsPerRow, paddedTo: padding(of: panel.value))
    }
    var steps: [LoopProgram.Step] = []
    for (stage, rowPrograms) in zip(plan.stages, rowPrograms) {
      if !rowPrograms.isEmpty { steps.append(.rows(rowPrograms)) }
      if !stage.products.isEmpty {
        steps.append(.multiply(stage.products.compactMap { product($0) }))
      }
      if !stage.sums.isEmpty {
        steps.append(.sumRows(stage.sums.compactMap { summation($0) }))
      }
    }
    // Without panels there is nothing to keep near: a part's rows go through a row program at once.
    let tileRows =
      plan.hasSteps ? self.tileRows : rowPrograms.joined().map(\.tile).max() ?? 1
    let chunkRows =
      !plan.totals.isEmpty
      ? RowSumOrder.block : plan.hasSteps ? self.chunkRows(panels) : tileRows
    return LoopProgram(
      name: graph.name, buffers: graph.buffers, lanes: target.lanes, chunkRows: chunkRows,
      tileRows: tileRows, panels: panels,
      views: plan.views.map { LoopProgram.View(name: $0.name, base: $0.base, offset: $0.offset) },
      steps: steps,
      totals: plan.totals.map { total($0) },
      weights: zip(plan.computedWeights, weights).map { planned, rowProgram in
        ComputedWeights(
          name: planned.name, storage: planned.storage, rows: planned.shape.extents[0],
          columns: planned.shape.rowExtent, rowProgram: rowProgram,
          inputs: planned.inputs, sources: planned.sources)
      })
  }

  private func panel(_ value: ValueID, _ storage: DType) -> KernelPlan.PlannedPanel? {
    panels[value]?.first { $0.storage == storage }
  }

  /// The columns that a step writes or reads at once.
  private func padding(of value: ValueID) -> [Int] {
    var multiples: [Int] = []
    if let tile = tile(of: value) { multiples.append(tile.columns(lanes: target.lanes)) }
    if leftFactors.contains(value) { multiples.append(outerTile.rows) }
    if rightFactors.contains(value) { multiples.append(outerTile.columns(lanes: target.lanes)) }
    return multiples
  }

  private func total(_ planned: KernelPlan.PlannedTotal) -> Total {
    let count = graph[planned.value].shape.elementsPerRow
    let outputs = planned.outputs.map { graph.outputs[$0] }
    var aggregate = RowSum.Aggregate.sum
    var termsPerRow = 1
    var isDirect = false
    if case .rowSum(let sum) = graph[planned.value].op {
      aggregate = sum.aggregate
      let elements = graph[planned.value].operands.map { graph[$0].shape.elementsPerRow }
      termsPerRow = (elements.max() ?? count) / count
    } else {
      isDirect = outputs.count == 1 && outputs[0].storage == .f32
    }
    return Total(
      name: planned.name, count: count, aggregate: aggregate, termsPerRow: termsPerRow,
      outputs: outputs.map(\.name), isDirect: isDirect)
  }

  private func summation(_ id: ValueID) -> RowSummation? {
    let operands = graph[id].operands
    let names = operands.compactMap { panel($0, .f32)?.name }
    guard names.count == operands.count, let total = totalNames[id] else { return nil }
    if graph[id].op == .outerSum {
      return RowSummation(
        .outer(
          x: names[0], y: names[1], rows: graph[operands[0]].shape.rowExtent,
          columns: graph[operands[1]].shape.rowExtent), total: total)
    }
    let elements = graph[operands[0]].shape.elementsPerRow
    return RowSummation(
      .columns(
        x: names[0], y: names.count > 1 ? names[1] : nil,
        repeats: elements / graph[id].shape.elementsPerRow), total: total)
  }

  /// The tile of a product; nil for any other value.
  private func tile(of id: ValueID) -> DotTile? {
    guard case .matmul(let matmul) = graph[id].op else { return nil }
    let choice = schedule.product(graph.weightsName(of: id) ?? "").tile
    if matmul.accumulation == .int8, case .input = graph[graph[id].operands[1]].op {
      return target.wholeIntegerTile(choice: choice)
    }
    return target.dot(for: matmul.accumulation, choice: choice)
  }

  /// The tile of outer sums.
  private var outerTile: DotTile { target.dot(for: .fused) }

  private var tileRows: Int {
    let rows = graph.values.compactMap { tile(of: $0)?.rows }
    return rows.max() ?? outerTile.rows
  }

  private func product(_ id: ValueID) -> Product? {
    let operands = graph[id].operands
    guard case .matmul(let matmul) = graph[id].op,
      let input = graph.weightsInput(operands[1]),
      case .input(let weights, let storage) = graph[input].op
    else { return nil }
    var format: BlockFormat?
    if case .dequantize(let blocks) = graph[operands[1]].op { format = blocks }
    guard let x = panel(operands[0], matmul.accumulation.step.operand),
      let sums = panel(id, .f32), let tile = tile(of: id)
    else { return nil }
    let integers = matmul.accumulation == .int8 ? self.integers(operands, format) : nil
    return Product(
      x: x.name, weights: weights, storage: storage, format: format, sums: sums.name,
      depth: graph[operands[0]].shape.rowExtent, columns: graph[id].shape.rowExtent,
      matmul: matmul, tile: tile,
      isPacked: format != nil || computed.contains(weights)
        || schedule.product(weights).packsWeights && isPackable(operands[1]),
      integers: integers)
  }

  /// What a product of integers reads besides: scales come before sums.
  private func integers(_ operands: [ValueID], _ format: BlockFormat?) -> Product.Integers? {
    let names = operands.dropFirst(2).compactMap { panel($0, .f32)?.name }
    guard names.count == operands.count - 2, !names.isEmpty else { return nil }
    let depth = graph[operands[0]].shape.rowExtent
    guard format != nil else { return .init(scales: nil, group: depth, sums: names[0]) }
    return .init(
      scales: names[0], group: depth / graph[operands[2]].shape.elementsPerRow,
      sums: names.count > 1 ? names[1] : nil)
  }

  /// Whether all that a graph does with weights is one kind of matmul: packed they fit no other use.
  private func isPackable(_ weights: ValueID) -> Bool {
    uses[weights]?.count == 1 && !stored.contains(weights)
  }

  /// As many rows as keep the weights' way from memory short, as long as the panels stay near.
  private func chunkRows(_ panels: [Panel]) -> Int {
    let tile = tileRows
    // A chunk that were no whole tiles would grow beyond its panels.
    if let forced = schedule.chunkRows {
      return (min(max(forced, 1), Self.mostForcedRows) + tile - 1) / tile * tile
    }
    let bytes = panels.map(\.bytesPerRow).reduce(0, +)
    let most = min(
      schedule.mostChunkRows, Self.mostForcedRows, schedule.mostPanelBytes / max(bytes, 1))
    return max(most / tile, 1) * tile
  }

  private static let mostForcedRows = 1 << 16
}
