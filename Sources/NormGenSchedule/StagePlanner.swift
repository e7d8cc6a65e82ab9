import NormGenIR

/// Cuts a graph at its matmuls, and where columns are taken of a computed row.
///
/// A value that a later stage needs is computed again there if that takes only plain arithmetic on
/// what the stage reads anyway; otherwise it is kept in a panel.
struct StagePlanner {
  private let graph: Graph
  /// The products that stand one behind the other before each value.
  private let depths: [Int]
  private var names: NameAllocator
  private var panels: [KernelPlan.PlannedPanel] = []
  private var views: [KernelPlan.PlannedView] = []
  private var totals: [KernelPlan.PlannedTotal] = []
  /// The values that each stage must leave, in panels or outputs.
  private var roots: [[Root]]

  private struct Root {
    let value: ValueID
    let output: Output
  }

  /// The plan of `graph`, which has matmuls or columns.
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
      switch node.op {
      case .matmul: depths.append(depth + 1)
      case .columns:
        // Sums and parameters lie in memory already.
        switch graph[node.operands[0]].op {
        case .input, .matmul: depths.append(depth)
        case .constant, .elementwise, .statistic, .convert, .reshape, .columns, .leadingPart,
          .rowSum, .outerSum:
          depths.append(depth + 1)
        }
      case .input, .constant, .elementwise, .statistic, .convert, .reshape, .leadingPart, .rowSum,
        .outerSum:
        depths.append(depth)
      }
    }
    self.depths = depths
    self.names = NameAllocator()
    for id in graph.inputs { if let name = graph[id].inputName { names.reserve(name) } }
    for output in graph.outputs { names.reserve(output.name) }
    self.roots = [[Root]](repeating: [], count: (depths.max() ?? 0) + 1)
  }

  // MARK: Roots

  private mutating func placeRoots() throws(PlanError) {
    totals = TotalsPlanner.totals(of: graph, names: &names)
    for total in totals {
      for factor in graph[total.value].operands { keep(factor, in: .f32, suffix: "rows") }
    }
    for output in graph.outputs where !graph.isOverRows(graph.beneathReshapes(output.value)) {
      roots[depths[output.value.index]].append(Root(value: output.value, output: output))
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
      guard case .columns = graph[id].op else { continue }
      guard graph[id].shape.extents.count == 1 else {
        throw PlanError(
          kernel: graph.name,
          message: "columns of rows of shape \(graph[id].shape); take them before the row is "
            + "reshaped")
      }
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
          name: names.fresh(graph[id].name ?? "\(name)_part"), value: id, base: name))
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
      case .input, .constant, .columns, .matmul: continue
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
    case .constant, .elementwise, .statistic, .convert, .reshape, .columns, .leadingPart, .rowSum,
      .outerSum:
      break
    }
    let name = names.fresh("\(label(of: id))_\(suffix)")
    addPanel(id, storage, name: name)
    roots[depths[id.index]].append(
      Root(value: id, output: Output(name: name, value: id, storage: storage)))
  }

  private mutating func addPanel(_ id: ValueID, _ storage: DType, name: String) {
    guard !panels.contains(where: { $0.value == id && $0.storage == storage }) else { return }
    panels.append(KernelPlan.PlannedPanel(name: name, value: id, storage: storage))
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
    case .constant, .elementwise, .statistic, .convert, .reshape, .columns, .leadingPart, .rowSum,
      .outerSum:
      break
    }
    if let scope = graph[id].scope { return graph.scopes[scope.index].name }
    return "value"
  }

  // MARK: Regions

  private func regions(of stage: Int) throws(PlanError) -> [Region] {
    let groups = grouped(stage)
    var regions: [Region] = []
    for (number, group) in groups.enumerated() {
      let suffix = groups.count > 1 ? "\(stage + 1)_\(number + 1)" : "\(stage + 1)"
      let part = subgraph(of: group, stage: stage, name: "\(graph.name)_rows\(suffix)")
      regions.append(try FusionPlanner.region(of: part))
    }
    return regions
  }

  /// The roots of a stage by what they compute together.
  private func grouped(_ stage: Int) -> [[Root]] {
    var groups: [(values: Set<ValueID>, roots: [Root])] = []
    for root in roots[stage] {
      let values = computed(for: root.value, stage: stage)
      var merged = (values: values, roots: [root])
      var kept: [(values: Set<ValueID>, roots: [Root])] = []
      for group in groups {
        if group.values.isDisjoint(with: merged.values) {
          kept.append(group)
        } else {
          merged = (group.values.union(merged.values), group.roots + merged.roots)
        }
      }
      groups = kept + [merged]
    }
    return groups.map(\.roots)
  }

  /// What a stage computes for a value; a value that is only read counts as itself.
  private func computed(for root: ValueID, stage: Int) -> Set<ValueID> {
    var result: Set<ValueID> = [root]
    var stack = [root]
    while let id = stack.popLast() {
      guard panelToRead(id, stage: stage) == nil else { continue }
      switch graph[id].op {
      case .input, .constant, .columns, .matmul: continue
      case .elementwise, .statistic, .convert, .reshape, .leadingPart, .rowSum, .outerSum: break
      }
      result.insert(id)
      stack += graph[id].operands.filter { !result.contains($0) }
    }
    return result
  }

  /// The panel in which a stage finds a value that is known before.
  private func panelToRead(_ id: ValueID, stage: Int) -> KernelPlan.PlannedPanel? {
    let candidates = panels.filter { $0.value == id }
    guard let panel = candidates.first(where: { $0.storage == .f32 }) ?? candidates.first else {
      return nil
    }
    if case .matmul = graph[id].op { return panel }
    return depths[id.index] < stage ? panel : nil
  }

  private func view(of id: ValueID) -> KernelPlan.PlannedView? {
    views.first { $0.value == id }
  }

  private func storage(of view: KernelPlan.PlannedView) -> DType {
    guard case .input(_, let storage) = graph[graph[view.value].operands[0]].op else {
      return panels.first { $0.name == view.base }?.storage ?? .f32
    }
    return storage
  }

  private func subgraph(of roots: [Root], stage: Int, name: String) -> Graph {
    var nodes: [Node] = []
    var new: [ValueID: ValueID] = [:]
    var panelInputs: [ValueID] = []
    var needed: Set<ValueID> = []
    var stack = roots.map(\.value)
    while let id = stack.popLast() {
      guard needed.insert(id).inserted, panelToRead(id, stage: stage) == nil,
        view(of: id) == nil
      else { continue }
      stack += graph[id].operands
    }
    for id in graph.values where needed.contains(id) {
      let node = graph[id]
      new[id] = ValueID(nodes.count)
      if let panel = panelToRead(id, stage: stage) {
        panelInputs.append(ValueID(nodes.count))
        nodes.append(
          Node(
            op: .input(name: panel.name, storage: panel.storage), operands: [], shape: node.shape,
            name: nil, scope: nil))
      } else if let view = view(of: id) {
        panelInputs.append(ValueID(nodes.count))
        nodes.append(
          Node(
            op: .input(name: view.name, storage: storage(of: view)), operands: [],
            shape: node.shape, name: nil, scope: nil))
      } else {
        nodes.append(
          Node(
            op: node.op, operands: node.operands.map { new[$0] ?? $0 }, shape: node.shape,
            name: node.name, scope: node.scope))
      }
    }
    let outputs = roots.map { root in
      Output(
        name: root.output.name, value: new[root.value] ?? root.value, storage: root.output.storage)
    }
    let parameters = graph.inputs.filter { panelToRead($0, stage: stage) == nil }
      .compactMap { new[$0] }
    return Graph(
      name: name, nodes: nodes, inputs: parameters + panelInputs,
      outputs: outputs, scopes: graph.scopes)
  }
}
