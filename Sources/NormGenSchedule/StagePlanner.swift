import NormGenIR

/// Cuts a graph at its matmuls, where columns are taken of a computed row, and where rows are
/// concatenated.
///
/// A concatenation is no step of its own: the stages of its parts write them to columns of one
/// panel, or of an output.
///
/// A value that a later stage needs is computed again there if that takes only plain arithmetic on
/// what the stage reads anyway; otherwise it is kept in a panel.
///
/// In a graph that nothing cuts the regions add to the values over all rows themselves.
struct StagePlanner {
  let graph: Graph
  /// Whether regions accumulate the values over all rows in their passes; otherwise they leave the terms
  /// in panels.
  private let accumulatesInRegions: Bool
  /// The first stage whose regions can compute or read each value.
  let depths: [Int]
  /// Whether each value takes only arithmetic on parameters and sums.
  private let isPlain: [Bool]
  private var names: NameAllocator
  private(set) var panels: [KernelPlan.PlannedPanel] = []
  /// The panels of each value, in order.
  private(set) var panelsByValue: [ValueID: [KernelPlan.PlannedPanel]] = [:]
  private(set) var views: [KernelPlan.PlannedView] = []
  /// The views that are read, by the columns.
  private(set) var viewsByValue: [ValueID: KernelPlan.PlannedView] = [:]
  /// The types of inputs and panels.
  private(set) var storages: [String: DType] = [:]
  /// The place of each input among the parameters.
  let inputPlaces: [ValueID: Int]
  private var totals: [KernelPlan.PlannedTotal] = []
  /// The values that each stage must leave, in panels or outputs.
  private(set) var roots: [[Root]]

  struct Root {
    let value: ValueID
    let output: Output
  }

  /// The plan of `graph`, whose weights are inputs.
  static func plan(of graph: Graph) throws(PlanError) -> KernelPlan {
    let isCut =
      graph.nodes.contains { $0.op.traits.cutsStage } || depths(of: graph).contains { $0 > 0 }
    var planner = StagePlanner(
      isCut ? try RowSumFactors.broadcast(in: graph) : graph, accumulatesInRegions: !isCut)
    let graph = planner.graph
    try planner.placeRoots()
    var products: [Int: [ValueID]] = [:]
    var sums: [Int: [ValueID]] = [:]
    for id in graph.values {
      let depth = planner.depths[id.index]
      if case .matmul = graph[id].op { products[depth - 1, default: []].append(id) }
      if isCut, graph.isOverRows(id) { sums[depth, default: []].append(id) }
    }
    var stages: [KernelPlan.Stage] = []
    for stage in planner.roots.indices {
      stages.append(
        KernelPlan.Stage(
          regions: try planner.regions(of: stage), products: products[stage] ?? [],
          sums: sums[stage] ?? []))
    }
    return KernelPlan(
      graph: graph, stages: stages, panels: planner.panels, views: planner.views,
      totals: planner.totals)
  }

  private init(_ graph: Graph, accumulatesInRegions: Bool) {
    self.graph = graph
    self.accumulatesInRegions = accumulatesInRegions
    depths = StagePlanner.depths(of: graph)
    self.isPlain = StagePlanner.plainValues(of: graph)
    self.inputPlaces = Dictionary(
      uniqueKeysWithValues: zip(graph.inputs, graph.inputs.indices))
    self.names = NameAllocator(of: graph)
    for id in graph.inputs {
      guard case .input(let name, let storage) = graph[id].op else { continue }
      storages[name] = storage
    }
    let depths = depths
    let last = graph.values.map { StagePlanner.written($0, in: graph, depths) }.max()
    self.roots = [[Root]](repeating: [], count: (last ?? 0) + 1)
  }

  /// The first stage whose regions can compute or read each value.
  private static func depths(of graph: Graph) -> [Int] {
    var views = RowViews(of: graph)
    var depths: [Int] = []
    for id in graph.values {
      let node = graph[id]
      let depth = node.operands.map { depths[$0.index] }.max() ?? 0
      let written = node.operands.map { StagePlanner.written($0, in: graph, depths) }.max() ?? 0
      let traits = node.op.traits
      if traits.beginsStage {
        depths.append(written + 1)
      } else if traits.isOverRows {
        depths.append(written)
      } else if case .columns = node.op {
        // Sums, parameters and concatenations lie in memory already.
        let base = graph[node.operands[0]].op.traits
        depths.append(base.beginsStage || base.family == .input ? depth : depth + 1)
      } else {
        let own = node.operands.filter { depths[$0.index] == depth }
        depths.append(depth + views.delay(of: id, own, in: graph))
      }
      views.add(id, node.operands.filter { depths[$0.index] == depths[id.index] }, in: graph)
    }
    return depths
  }

  /// The last stage whose regions write a value: a concatenation is whole when the next one begins.
  private static func written(_ id: ValueID, in graph: Graph, _ depths: [Int]) -> Int {
    graph[id].op == .concatenate ? depths[id.index] - 1 : depths[id.index]
  }

  // MARK: Roots

  private mutating func placeRoots() throws(PlanError) {
    totals = TotalsPlanner.totals(of: graph, names: &names)
    if !accumulatesInRegions {
      for total in totals {
        for factor in graph[total.value].operands { keep(factor, in: .f32, suffix: "rows") }
      }
    }
    for output in graph.outputs where !graph.isOverRows(graph.beneathReshapes(output.value)) {
      write(output)
    }
    if accumulatesInRegions {
      for total in totals {
        write(Output(name: total.name, value: total.value, storage: .f32))
      }
    }
    for id in graph.values {
      guard case .matmul(let matmul) = graph[id].op else { continue }
      try checkRows(of: id)
      let operands = graph[id].operands
      keep(operands[0], in: matmul.accumulation.step.operand, suffix: "rows")
      if case .dequantize = graph[operands[1]].op {
        if operands.count > 2 { keep(operands[2], in: .f32, suffix: "scales") }
        if operands.count > 3 { keep(operands[3], in: .f32, suffix: "group_sums", of: operands[0]) }
      } else if operands.count > 2 {
        keep(operands[2], in: .f32, suffix: "sums", of: operands[0])
      }
      addPanel(id, .f32, name: names.fresh("\(label(of: id))_sums"))
    }
    for id in graph.values {
      if graph[id].op == .concatenate {
        try checkAxes(
          of: id,
          "values are concatenated to rows of shape \(graph[id].shape); reshape each to one axis "
            + "before")
      }
      guard case .columns(let start, _) = graph[id].op else { continue }
      try checkAxes(
        of: id,
        "columns of rows of shape \(graph[id].shape); take them before the row is reshaped")
      let base = graph[id].operands[0]
      guard graph[base].shape.hasRows || graph[base].inputName != nil else {
        throw PlanError(
          at: id, in: graph,
          "columns of \(GraphPrinter(graph).label(of: base, in: graph)), a computed value without "
            + "rows; take them of the parameters that it is computed from")
      }
      keep(base, in: .f32, suffix: "kept")
      let name = graph[base].inputName ?? panel(of: base, in: .f32)?.name ?? ""
      let view = KernelPlan.PlannedView(
        name: graph[id].name.map { names.own($0) } ?? names.fresh("\(name)_part"), base: name,
        offset: start, value: id)
      views.append(view)
      viewsByValue[id] = view
    }
    for stage in roots.indices.reversed() {
      var visited: Set<ValueID> = []
      // Roots of earlier stages are added meanwhile, none of this one.
      for root in roots[stage] { visit(root.value, stage: stage, &visited) }
    }
  }

  /// Follows what a stage must compute down to what it can read, operands from left to right.
  private mutating func visit(_ root: ValueID, stage: Int, _ visited: inout Set<ValueID>) {
    var pending = [root]
    while let id = pending.popLast() {
      guard visited.insert(id).inserted else { continue }
      let node = graph[id]
      guard node.op.traits.isStep else {
        if node.op == .concatenate, panelsByValue[id] == nil {
          keep(id, in: .f32, suffix: "kept")
        }
        continue
      }
      // A panel holds rows; what all rows share is computed again.
      if depths[id.index] < stage, node.shape.hasRows, !isPlain[id.index] {
        let exact = graph[graph.beneathReshapes(id)].op.traits.exactStorage
        if panel(of: id, in: exact) == nil { keep(id, in: .f32, suffix: "kept") }
      } else {
        pending += node.operands.reversed()
      }
    }
  }

  /// Which values take only arithmetic on parameters and sums.
  private static func plainValues(of graph: Graph) -> [Bool] {
    var isPlain: [Bool] = []
    for node in graph.nodes {
      let traits = node.op.traits
      let isRead = !node.shape.hasRows || !traits.isStep
      isPlain.append(isRead || traits.isPlain && node.operands.allSatisfy { isPlain[$0.index] })
    }
    return isPlain
  }

  private func panel(of id: ValueID, in storage: DType) -> KernelPlan.PlannedPanel? {
    panelsByValue[id]?.first { $0.storage == storage }
  }

  /// Has the value's own stage leave it in a panel.
  ///
  /// - Parameter labelled: The value that it is called after, by default itself.
  private mutating func keep(
    _ id: ValueID, in storage: DType, suffix: String, of labelled: ValueID? = nil
  ) {
    guard panel(of: id, in: storage) == nil else { return }
    let family = graph[id].op.traits.family
    if family == .product, storage == .f32 { return }
    // A row of a parameter is copied only for a product.
    if family == .input, suffix == "kept" { return }
    let name = names.fresh("\(label(of: labelled ?? id))_\(suffix)")
    addPanel(id, storage, name: name)
    write(Output(name: name, value: id, storage: storage))
  }

  /// Has a stage leave a value in a panel or output; each part of a concatenation is left by its own.
  private mutating func write(_ output: Output) {
    guard graph[output.value].op == .concatenate else {
      roots[depths[output.value.index]].append(Root(value: output.value, output: output))
      return
    }
    var offset = 0
    for part in parts(of: output.value) {
      let name = names.fresh("\(output.name)_part")
      views.append(
        KernelPlan.PlannedView(name: name, base: output.name, offset: offset, value: nil))
      roots[depths[part.index]].append(
        Root(value: part, output: Output(name: name, value: part, storage: output.storage)))
      offset += graph[part].shape.rowExtent
    }
  }

  /// What a concatenation puts side by side, those of its operands that are concatenations taken
  /// apart.
  private func parts(of root: ValueID) -> [ValueID] {
    var parts: [ValueID] = []
    var pending = [root]
    while let id = pending.popLast() {
      if graph[id].op == .concatenate {
        pending += graph[id].operands.reversed()
      } else {
        parts.append(id)
      }
    }
    return parts
  }

  private mutating func addPanel(_ id: ValueID, _ storage: DType, name: String) {
    guard panel(of: id, in: storage) == nil else { return }
    let panel = KernelPlan.PlannedPanel(name: name, value: id, storage: storage)
    panels.append(panel)
    panelsByValue[id, default: []].append(panel)
    storages[name] = storage
  }

  /// Rows with several axes are not one stretch of a panel's columns.
  private func checkAxes(of id: ValueID, _ message: String) throws(PlanError) {
    guard graph[id].shape.extents.count == 1 else {
      throw PlanError(at: id, in: graph, message)
    }
  }

  private func checkRows(of id: ValueID) throws(PlanError) {
    let shape = graph[graph[id].operands[0]].shape
    guard shape.extents.count == 1 else {
      throw PlanError(
        at: id, in: graph,
        "a matmul of rows of shape \(shape); give it one axis after rows by reshaping")
    }
  }

  private func label(of id: ValueID) -> String {
    if let name = graph[id].name ?? graph[id].inputName { return name }
    if case .matmul = graph[id].op { return graph.weightsName(of: id) ?? "product" }
    if graph[id].op == .concatenate { return "concatenated" }
    if let scope = graph[id].scope { return graph.scopes[scope.index].name }
    return "value"
  }
}
