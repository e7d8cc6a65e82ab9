import NormGenIR

/// The regions of a stage.
extension StagePlanner {
  func regions(of stage: Int) throws(PlanError) -> [Region] {
    let groups = grouped(stage)
    var regions: [Region] = []
    for (number, group) in groups.enumerated() {
      let suffix = groups.count > 1 ? "\(stage + 1)_\(number + 1)" : "\(stage + 1)"
      let part = subgraph(of: group, stage: stage, name: "\(graph.name)_rows\(suffix)")
      // Panels and outputs hold rows, also of what all rows share.
      regions.append(try FusionPlanner.region(of: part).storingRows)
    }
    return regions
  }

  /// The roots of a stage by what they compute together; rows of another length are computed apart.
  private func grouped(_ stage: Int) -> [[Root]] {
    var groups: [Group] = []
    for root in roots[stage] {
      let values = computed(for: root.value, stage: stage)
      var merged = Group(values: values, roots: [root], rowShape: rowShape(of: values))
      var kept: [Group] = []
      for group in groups {
        if group.values.isDisjoint(with: merged.values) || !haveRowsOfOneLength(group, merged) {
          kept.append(group)
        } else {
          let widest = [group, merged].map(\.rowShape).max(by: Self.isNarrower)
          merged = Group(
            values: group.values.union(merged.values), roots: group.roots + merged.roots,
            rowShape: widest ?? merged.rowShape)
        }
      }
      groups = kept + [merged]
    }
    return groups.map(\.roots)
  }

  private struct Group {
    let values: Set<ValueID>
    let roots: [Root]
    /// The shape of the longest rows.
    let rowShape: Shape
  }

  private static func isNarrower(_ left: Shape, _ right: Shape) -> Bool {
    left.elementsPerRow < right.elementsPerRow
  }

  private func shapes(of values: Set<ValueID>) -> [Shape] {
    values.sorted().flatMap { id -> [Shape] in
      // A statistic runs over the rows that it is taken of.
      if case .statistic = graph[id].op { return graph[id].operands.map { graph[$0].shape } }
      return [graph[id].shape]
    }
  }

  private func rowShape(of values: Set<ValueID>) -> Shape {
    shapes(of: values).max(by: Self.isNarrower) ?? .scalar
  }

  /// Whether loops over the longer rows run over the shorter ones, too: those are repeated along them.
  private func haveRowsOfOneLength(_ left: Group, _ right: Group) -> Bool {
    if left.rowShape.elementsPerRow == right.rowShape.elementsPerRow { return true }
    let isLeftNarrower = Self.isNarrower(left.rowShape, right.rowShape)
    let (narrow, wide) = isLeftNarrower ? (left, right) : (right, left)
    return shapes(of: narrow.values).allSatisfy { shape in
      (try? shape.broadcast(with: wide.rowShape)).map {
        $0.elementsPerRow == wide.rowShape.elementsPerRow
      } ?? false
    }
  }

  /// What a stage computes for a value; a value that is only read counts as itself.
  private func computed(for root: ValueID, stage: Int) -> Set<ValueID> {
    var result: Set<ValueID> = [root]
    var stack = [root]
    while let id = stack.popLast() {
      guard panelToRead(id, stage: stage) == nil else { continue }
      switch graph[id].op {
      case .input, .constant, .columns, .concatenate, .matmul: continue
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
    switch graph[id].op {
    case .matmul, .concatenate: return panel
    case .input, .constant, .elementwise, .statistic, .convert, .reshape, .columns, .leadingPart,
      .rowSum, .outerSum:
      return depths[id.index] < stage ? panel : nil
    }
  }

  private func view(of id: ValueID) -> KernelPlan.PlannedView? {
    views.first { $0.value == id }
  }

  private func storage(of view: KernelPlan.PlannedView) -> DType {
    for id in graph.inputs {
      if case .input(view.base, let storage) = graph[id].op { return storage }
    }
    return panels.first { $0.name == view.base }?.storage ?? .f32
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
