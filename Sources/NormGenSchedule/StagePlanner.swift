import NormGenIR

/// Cuts a graph at its matmuls, where columns are taken of a computed row, and where rows are
/// concatenated.
///
/// A concatenation is no step of its own: the stages of its parts write them to columns of one
/// panel, or of an output.
///
/// A value that a later stage needs is computed again there if that takes only plain arithmetic on
/// what the stage reads anyway; otherwise it is kept in a panel.
struct StagePlanner {
  let graph: Graph
  /// The first stage whose regions can compute or read each value.
  let depths: [Int]
  private var names: NameAllocator
  private(set) var panels: [KernelPlan.PlannedPanel] = []
  private(set) var views: [KernelPlan.PlannedView] = []
  private var totals: [KernelPlan.PlannedTotal] = []
  /// The values that each stage must leave, in panels or outputs.
  private(set) var roots: [[Root]]

  struct Root {
    let value: ValueID
    let output: Output
  }

  /// The plan of `graph`, which has matmuls, columns or concatenations.
  static func plan(of graph: Graph) throws(PlanError) -> KernelPlan {
    var planner = StagePlanner(try RowSumFactors.broadcast(in: graph))
    let graph = planner.graph
    try planner.placeRoots()
    var stages: [KernelPlan.Stage] = []
    for stage in planner.roots.indices {
      let regions = try planner.regions(of: stage)
      let products = graph.values.filter { id in
        guard case .matmul = graph[id].op else { return false }
        return planner.depths[id.index] == stage + 1
      }
      let sums = graph.values.filter {
        graph.isOverRows($0) && planner.depths[$0.index] == stage
      }
      stages.append(KernelPlan.Stage(regions: regions, products: products, sums: sums))
    }
    return KernelPlan(
      graph: graph, stages: stages, panels: planner.panels, views: planner.views,
      totals: planner.totals)
  }

  private init(_ graph: Graph) {
    self.graph = graph
    var depths: [Int] = []
    for node in graph.nodes {
      let depth = node.operands.map { depths[$0.index] }.max() ?? 0
      let written = node.operands.map { StagePlanner.written($0, in: graph, depths) }.max() ?? 0
      switch node.op {
      case .matmul, .concatenate: depths.append(written + 1)
      case .rowSum, .outerSum: depths.append(written)
      case .columns:
        // Sums, parameters and concatenations lie in memory already.
        switch graph[node.operands[0]].op {
        case .input, .matmul, .concatenate: depths.append(depth)
        case .constant, .elementwise, .statistic, .convert, .reshape, .columns, .leadingPart,
          .rowSum, .outerSum:
          depths.append(depth + 1)
        }
      case .input, .constant, .elementwise, .statistic, .convert, .reshape, .leadingPart:
        depths.append(depth)
      }
    }
    self.depths = depths
    self.names = NameAllocator(of: graph)
    let last = graph.values.map { StagePlanner.written($0, in: graph, depths) }.max()
    self.roots = [[Root]](repeating: [], count: (last ?? 0) + 1)
  }

  /// The last stage whose regions write a value: a concatenation is whole when the next one begins.
  private static func written(_ id: ValueID, in graph: Graph, _ depths: [Int]) -> Int {
    graph[id].op == .concatenate ? depths[id.index] - 1 : depths[id.index]
  }

  // MARK: Roots

  private mutating func placeRoots() throws(PlanError) {
    totals = TotalsPlanner.totals(of: graph, names: &names)
    for total in totals {
      for factor in graph[total.value].operands { keep(factor, in: .f32, suffix: "rows") }
    }
    for output in graph.outputs where !graph.isOverRows(graph.beneathReshapes(output.value)) {
      write(output)
    }
    for id in graph.values {
      guard case .matmul(let matmul) = graph[id].op else { continue }
      try checkRows(of: id)
      let x = graph[id].operands[0]
      let storage: DType
      switch matmul.accumulation {
      case .fused: storage = .f32
      case .bf16Dot: storage = .bf16
      }
      keep(x, in: storage, suffix: "rows")
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
          kernel: graph.name,
          message: "columns of a computed value without rows; take them of the parameters")
      }
      keep(base, in: .f32, suffix: "kept")
      let name =
        graph[base].inputName ?? panels.first { $0.value == base && $0.storage == .f32 }?.name ?? ""
      views.append(
        KernelPlan.PlannedView(
          name: graph[id].name.map { names.own($0) } ?? names.fresh("\(name)_part"), base: name,
          offset: start, value: id)
      )
    }
    for stage in roots.indices.reversed() {
      var visited: Set<ValueID> = []
      // Roots of earlier stages are added meanwhile, none of this one.
      for root in roots[stage] { visit(root.value, stage: stage, &visited) }
    }
  }

  /// Follows what a stage must compute down to what it can read.
  private mutating func visit(_ id: ValueID, stage: Int, _ visited: inout Set<ValueID>) {
    guard visited.insert(id).inserted else { return }
    let node = graph[id]
    switch node.op {
    case .input, .constant, .columns, .matmul: return
    case .concatenate:
      if !panels.contains(where: { $0.value == id }) { keep(id, in: .f32, suffix: "kept") }
      return
    case .elementwise, .statistic, .convert, .reshape, .leadingPart, .rowSum, .outerSum: break
    }
    // A panel holds rows; what all rows share is computed again.
    if depths[id.index] < stage, node.shape.hasRows, !isPlain(id) {
      keep(id, in: .f32, suffix: "kept")
      return
    }
    for operand in node.operands { visit(operand, stage: stage, &visited) }
  }

  /// Whether a value takes only arithmetic on parameters and sums.
  private func isPlain(_ root: ValueID) -> Bool {
    var stack = [root]
    var seen: Set<ValueID> = []
    while let id = stack.popLast() {
      guard seen.insert(id).inserted, graph[id].shape.hasRows else { continue }
      switch graph[id].op {
      case .input, .constant, .columns, .concatenate, .matmul: continue
      case .statistic, .rowSum, .outerSum: return false
      case .elementwise(let op):
        if op.elementaryFunction != nil || op == .divide || op == .squareRoot { return false }
      case .convert, .reshape, .leadingPart: break
      }
      stack += graph[id].operands
    }
    return true
  }

  /// Has the value's own stage leave it in a panel.
  private mutating func keep(_ id: ValueID, in storage: DType, suffix: String) {
    guard !panels.contains(where: { $0.value == id && $0.storage == storage }) else { return }
    switch graph[id].op {
    case .matmul: if storage == .f32 { return }
    // A row of a parameter is copied only for a product.
    case .input: if suffix == "kept" { return }
    case .constant, .elementwise, .statistic, .convert, .reshape, .columns, .concatenate,
      .leadingPart, .rowSum, .outerSum:
      break
    }
    let name = names.fresh("\(label(of: id))_\(suffix)")
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
  private func parts(of id: ValueID) -> [ValueID] {
    graph[id].op == .concatenate ? graph[id].operands.flatMap(parts) : [id]
  }

  private mutating func addPanel(_ id: ValueID, _ storage: DType, name: String) {
    guard !panels.contains(where: { $0.value == id && $0.storage == storage }) else { return }
    panels.append(KernelPlan.PlannedPanel(name: name, value: id, storage: storage))
  }

  /// Rows with several axes are not one stretch of a panel's columns.
  private func checkAxes(of id: ValueID, _ message: String) throws(PlanError) {
    guard graph[id].shape.extents.count == 1 else {
      throw PlanError(kernel: graph.name, message: message)
    }
  }

  private func checkRows(of id: ValueID) throws(PlanError) {
    let shape = graph[graph[id].operands[0]].shape
    guard shape.extents.count == 1 else {
      throw PlanError(
        kernel: graph.name,
        message: "a matmul of rows of shape \(shape); give it one axis after rows by reshaping")
    }
  }

  private func label(of id: ValueID) -> String {
    if let name = graph[id].name { return name }
    switch graph[id].op {
    case .input(let name, _): return name
    case .matmul: return graph[graph[id].operands[1]].inputName ?? "product"
    case .concatenate: return "concatenated"
    case .constant, .elementwise, .statistic, .convert, .reshape, .columns, .leadingPart, .rowSum,
      .outerSum:
      break
    }
    if let scope = graph[id].scope { return graph.scopes[scope.index].name }
    return "value"
  }
}
