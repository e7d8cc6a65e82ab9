import NormGenIR
public import NormGenLoops

/// Puts the row programs of a plan together with its products.
public struct ProgramBuilder {
  private let plan: KernelPlan
  private let target: Target
  private let panels: [ValueID: [KernelPlan.PlannedPanel]]
  private let totalNames: [ValueID: String]
  /// What is computed from each input.
  private var uses: [ValueID: Set<Op>] = [:]
  /// The factors of outer sums: left and right.
  private var leftFactors: Set<ValueID> = []
  private var rightFactors: Set<ValueID> = []
  private let stored: Set<ValueID>

  private var graph: Graph { plan.graph }

  private init(_ plan: KernelPlan, _ target: Target) {
    self.plan = plan
    self.target = target
    panels = plan.panelsByValue
    totalNames = Dictionary(
      plan.totals.map { ($0.value, $0.name) }, uniquingKeysWith: { first, _ in first })
    stored = Set(plan.graph.outputs.map(\.value))
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
  ///   - kernels: The row programs of each stage's regions.
  ///   - schedule: The knobs of the matmuls.
  ///   - target: The instruction set.
  public static func program(
    of plan: KernelPlan, kernels: [[LoopKernel]], schedule: MatmulSchedule, target: Target
  ) -> LoopProgram {
    if plan.onlyRegion != nil, let kernel = kernels.first?.first { return LoopProgram(kernel) }
    return ProgramBuilder(plan, target).program(kernels: kernels, schedule: schedule)
  }

  private func program(kernels: [[LoopKernel]], schedule: MatmulSchedule) -> LoopProgram {
    let panels = plan.panels.map { panel in
      Panel(
        name: panel.name, storage: panel.storage,
        columns: graph[panel.value].shape.elementsPerRow, paddedTo: padding(of: panel.value))
    }
    var steps: [LoopProgram.Step] = []
    for (stage, kernels) in zip(plan.stages, kernels) {
      if !kernels.isEmpty { steps.append(.rows(kernels)) }
      if !stage.products.isEmpty {
        steps.append(.multiply(stage.products.compactMap { multiplication($0, schedule) }))
      }
      if !stage.sums.isEmpty {
        steps.append(.accumulate(stage.sums.compactMap { accumulation($0) }))
      }
    }
    return LoopProgram(
      name: graph.name, buffers: buffers, lanes: target.lanes,
      blockRows: plan.totals.isEmpty
        ? blockRows(schedule, panels) : RowSumOrder.block,
      panels: panels,
      views: plan.views.map { LoopProgram.View(name: $0.name, base: $0.base, offset: $0.offset) },
      steps: steps,
      totals: plan.totals.map { total($0) })
  }

  private func panel(_ value: ValueID, _ storage: DType) -> KernelPlan.PlannedPanel? {
    panels[value]?.first { $0.storage == storage }
  }

  /// The columns that a step writes or reads at once.
  private func padding(of value: ValueID) -> [Int] {
    var multiples: [Int] = []
    if case .matmul = graph[value].op { multiples.append(target.panelColumns) }
    if leftFactors.contains(value) { multiples.append(target.matmulTile.rows) }
    if rightFactors.contains(value) { multiples.append(target.panelColumns) }
    return multiples
  }

  private func total(_ planned: KernelPlan.PlannedTotal) -> Total {
    let count = graph[planned.value].shape.elementsPerRow
    let outputs = planned.outputs.map { graph.outputs[$0] }
    var reduction = RowSum.Reduction.sum
    var termsPerRow = 1
    var isDirect = false
    if case .rowSum(let sum) = graph[planned.value].op {
      reduction = sum.reduction
      let elements = graph[planned.value].operands.map { graph[$0].shape.elementsPerRow }
      termsPerRow = (elements.max() ?? count) / count
    } else {
      isDirect = outputs.count == 1 && outputs[0].storage == .f32
    }
    return Total(
      name: planned.name, count: count, reduction: reduction, termsPerRow: termsPerRow,
      outputs: outputs.map(\.name), isDirect: isDirect)
  }

  private func accumulation(_ id: ValueID) -> Accumulation? {
    let operands = graph[id].operands
    let names = operands.compactMap { panel($0, .f32)?.name }
    guard names.count == operands.count, let total = totalNames[id] else { return nil }
    if graph[id].op == .outerSum {
      return Accumulation(
        .outer(
          x: names[0], y: names[1], rows: graph[operands[0]].shape.rowExtent,
          columns: graph[operands[1]].shape.rowExtent), total: total)
    }
    let elements = graph[operands[0]].shape.elementsPerRow
    return Accumulation(
      .columns(
        x: names[0], y: names.count > 1 ? names[1] : nil,
        repeats: elements / graph[id].shape.elementsPerRow), total: total)
  }

  private func multiplication(_ id: ValueID, _ schedule: MatmulSchedule) -> Multiplication? {
    let operands = graph[id].operands
    guard case .matmul(let matmul) = graph[id].op,
      case .input(let weights, let storage) = graph[operands[1]].op
    else { return nil }
    guard let x = panel(operands[0], matmul.accumulation.step.operand),
      let sums = panel(id, .f32)
    else { return nil }
    return Multiplication(
      x: x.name, weights: weights, storage: storage, sums: sums.name,
      depth: graph[operands[0]].shape.rowExtent, columns: graph[id].shape.rowExtent,
      matmul: matmul, isPacked: schedule.product(weights).packsWeights && isPackable(operands[1]))
  }

  /// Whether all that a graph does with weights is one kind of matmul: packed they fit no other use.
  private func isPackable(_ weights: ValueID) -> Bool {
    uses[weights]?.count == 1 && !stored.contains(weights)
  }

  private var buffers: [Buffer] {
    let inputs = graph.inputs.compactMap { id -> Buffer? in
      guard case .input(let name, let storage) = graph[id].op else { return nil }
      return Buffer(name: name, storage: storage, shape: graph[id].shape, isOutput: false)
    }
    let outputs = graph.outputs.map { output in
      Buffer(
        name: output.name, storage: output.storage, shape: graph[output.value].shape,
        isOutput: true)
    }
    return inputs + outputs
  }

  /// As many rows as keep the weights' way from memory short, as long as the panels stay near.
  private func blockRows(_ schedule: MatmulSchedule, _ panels: [Panel]) -> Int {
    let tile = target.matmulTile.rows
    // A block that were no whole tiles would grow beyond its panels.
    if let forced = schedule.blockRows {
      return (min(max(forced, 1), Self.mostForcedRows) + tile - 1) / tile * tile
    }
    let bytes = panels.map(\.bytesPerRow).reduce(0, +)
    let most = min(
      schedule.mostBlockRows, Self.mostForcedRows, schedule.mostPanelBytes / max(bytes, 1))
    return max(most / tile, 1) * tile
  }

  private static let mostForcedRows = 1 << 16
}
