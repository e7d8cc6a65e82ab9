import NormGenIR
public import NormGenLoops

/// Puts the row programs of a plan together with its products.
public enum ProgramBuilder {
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
    let graph = plan.graph
    let panels = plan.panels.map { panel in
      Panel(
        name: panel.name, storage: panel.storage,
        columns: graph[panel.value].shape.elementsPerRow,
        paddedTo: isProduct(panel.value, graph) ? target.panelColumns : 1)
    }
    var steps: [LoopProgram.Step] = []
    for (stage, kernels) in zip(plan.stages, kernels) {
      if !kernels.isEmpty { steps.append(.rows(kernels)) }
      guard !stage.products.isEmpty else { continue }
      steps.append(
        .multiply(stage.products.compactMap { multiplication($0, plan, schedule: schedule) }))
    }
    return LoopProgram(
      name: graph.name, buffers: buffers(of: graph), lanes: target.lanes,
      blockRows: blockRows(schedule.blockRows, panels, target: target), panels: panels,
      views: plan.views.compactMap { view($0, graph) }, steps: steps)
  }

  private static func view(_ view: KernelPlan.PlannedView, _ graph: Graph) -> LoopProgram.View? {
    guard case .columns(let start, _) = graph[view.value].op else { return nil }
    return LoopProgram.View(name: view.name, base: view.base, offset: start)
  }

  private static func isProduct(_ id: ValueID, _ graph: Graph) -> Bool {
    if case .matmul = graph[id].op { return true }
    return false
  }

  private static func multiplication(
    _ id: ValueID, _ plan: KernelPlan, schedule: MatmulSchedule
  ) -> Multiplication? {
    let graph = plan.graph
    let operands = graph[id].operands
    guard case .matmul(let matmul) = graph[id].op,
      case .input(let weights, let storage) = graph[operands[1]].op
    else { return nil }
    let kept: DType
    switch matmul.accumulation {
    case .fused: kept = .f32
    case .bf16Dot: kept = .bf16
    }
    guard let x = plan.panel(operands[0], kept), let sums = plan.panel(id, .f32) else {
      return nil
    }
    return Multiplication(
      x: x.name, weights: weights, storage: storage, sums: sums.name,
      depth: graph[operands[0]].shape.rowExtent, columns: graph[id].shape.rowExtent,
      matmul: matmul, isPacked: schedule.packsWeights && isPackable(operands[1], graph))
  }

  /// Whether all that a graph does with weights is one kind of matmul: packed they fit no other use.
  private static func isPackable(_ weights: ValueID, _ graph: Graph) -> Bool {
    let uses = graph.nodes.filter { $0.operands.contains(weights) }
    return Set(uses.map(\.op)).count == 1 && !graph.outputs.contains { $0.value == weights }
  }

  private static func buffers(of graph: Graph) -> [Buffer] {
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
  private static func blockRows(_ forced: Int?, _ panels: [Panel], target: Target) -> Int {
    let tile = target.matmulTile.rows
    // A block that were no whole tiles would grow beyond its panels.
    if let forced { return (min(max(forced, 1), mostForcedRows) + tile - 1) / tile * tile }
    let bytes = panels.map(\.bytesPerRow).reduce(0, +)
    let most = min(mostBlockRows, mostPanelBytes / max(bytes, 1))
    return max(most / tile, 1) * tile
  }

  /// Measured: with more rows the weights' way from memory costs next to nothing.
  public static let mostBlockRows = 112
  /// The bytes of panels that a block's rows may take, unless one tile takes more.
  public static let mostPanelBytes = 8 << 20
  private static let mostForcedRows = 1 << 16
}
