import NormGenIR

/// The regions of a stage.
extension StagePlanner {
  func regions(of stage: Int) throws(PlanError) -> [Region] {
    let groups = groups(of: stage)
    var regions: [Region] = []
    for (number, group) in groups.enumerated() {
      var name = graph.name
      if roots.count > 1 || groups.count > 1 { name += "_rows\(stage + 1)" }
      if groups.count > 1 { name += "_\(number + 1)" }
      let part = subgraph(of: group, stage: stage, name: name)
      // Panels and outputs hold rows, also of what all rows share.
      regions.append(try FusionPlanner.region(of: part).storingRows)
    }
    return regions
  }

  /// The roots of a stage by what they compute or read together.
  private func groups(of stage: Int) -> [[Root]] {
    grouped(roots[stage], stage: stage, byReads: true).flatMap { group -> [[Root]] in
      let parts = grouped(group, stage: stage, byReads: false)
      // One loop sees a row one way; what is only read may be seen in another way by another loop.
      guard parts.count > 1,
        (try? FusionPlanner.region(of: subgraph(of: group, stage: stage, name: graph.name))) == nil
      else { return [group] }
      return parts
    }
  }

  /// Roots by what they compute together; rows of another length are computed apart.
  ///
  /// - Parameter byReads: Whether roots that read rows of the same value go together, too.
  private func grouped(_ roots: [Root], stage: Int, byReads: Bool) -> [[Root]] {
    /// The groups made so far; nil where a later one has taken them in.
    var groups: [Group?] = []
    /// The group that has taken each one in, or itself.
    var takers: [Int] = []
    func current(_ group: Int) -> Int {
      var group = group
      while takers[group] != group {
        takers[group] = takers[takers[group]]
        group = takers[group]
      }
      return group
    }
    /// The groups that compute each value, or read rows of it.
    var owners: [ValueID: Set<Int>] = [:]
    for root in roots {
      let (values, read) = needed(for: root.value, stage: stage)
      let shared = byReads ? values.union(read) : values
      var merged = Group(roots: [root], shapes: shapes(of: values))
      var candidates = Set(shared.flatMap { owners[$0] ?? [] }.map(current))
      var taken: [Int] = []
      while let next = candidates.min() {
        candidates.remove(next)
        guard let group = groups[next] else { continue }
        guard haveRowsOfOneLength(group, merged) else {
          merged.neighbours.insert(next)
          continue
        }
        groups[next] = nil
        taken.append(next)
        candidates.formUnion(group.neighbours.map(current).filter { $0 > next })
        merged = group.merging(merged)
      }
      let number = groups.count
      takers.append(number)
      for group in taken { takers[group] = number }
      merged.neighbours = Set(merged.neighbours.map(current)).subtracting([number])
      for neighbour in merged.neighbours { groups[neighbour]?.neighbours.insert(number) }
      for value in shared { owners[value] = Set((owners[value] ?? []).map(current) + [number]) }
      groups.append(merged)
    }
    return groups.compactMap { $0?.roots }
  }

  private struct Group {
    private(set) var roots: [Root]
    /// The shapes of all rows.
    private(set) var shapes: Set<Shape>
    /// The shape of the longest rows.
    private(set) var rowShape: Shape
    /// Groups that compute or read some of the same values, for rows of another length.
    var neighbours: Set<Int> = []

    init(roots: [Root], shapes: [Shape]) {
      self.roots = roots
      self.shapes = Set(shapes)
      self.rowShape = shapes.max(by: StagePlanner.isNarrower) ?? .scalar
    }

    consuming func merging(_ other: Group) -> Group {
      roots += other.roots
      shapes.formUnion(other.shapes)
      rowShape = [rowShape, other.rowShape].max(by: StagePlanner.isNarrower) ?? rowShape
      neighbours.formUnion(other.neighbours)
      return self
    }
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

  /// Whether loops over the longer rows run over the shorter ones, too: those are repeated along them.
  private func haveRowsOfOneLength(_ left: Group, _ right: Group) -> Bool {
    if left.rowShape.elementsPerRow == right.rowShape.elementsPerRow { return true }
    let isLeftNarrower = Self.isNarrower(left.rowShape, right.rowShape)
    let (narrow, wide) = isLeftNarrower ? (left, right) : (right, left)
    return narrow.shapes.allSatisfy { shape in
      (try? shape.broadcast(with: wide.rowShape)).map {
        $0.elementsPerRow == wide.rowShape.elementsPerRow
      } ?? false
    }
  }

  /// What a stage computes for a value, and the rows that it reads for it; a value that is only read
  /// counts as computed.
  private func needed(
    for root: ValueID, stage: Int
  ) -> (computed: Set<ValueID>, read: Set<ValueID>) {
    var computed: Set<ValueID> = [root]
    var read: Set<ValueID> = []
    var stack = [root]
    while let id = stack.popLast() {
      guard panelToRead(id, stage: stage) == nil, graph[id].op.traits.isStep else {
        if graph[id].shape.hasRows { read.insert(id) }
        continue
      }
      computed.insert(id)
      stack += graph[id].operands.filter { !computed.contains($0) }
    }
    return (computed, read)
  }

  /// The panel in which a stage finds a value that is known before.
  private func panelToRead(_ id: ValueID, stage: Int) -> KernelPlan.PlannedPanel? {
    guard let candidates = panelsByValue[id],
      let panel = candidates.first(where: { $0.storage == .f32 }) ?? candidates.first
    else { return nil }
    return graph[id].op.traits.beginsStage || depths[id.index] < stage ? panel : nil
  }

  private func subgraph(of roots: [Root], stage: Int, name: String) -> Graph {
    var builder = GraphBuilder(rewriting: graph)
    var panelInputs: [ValueID] = []
    var needed: Set<ValueID> = []
    var stack = roots.map(\.value)
    while let id = stack.popLast() {
      guard needed.insert(id).inserted, panelToRead(id, stage: stage) == nil,
        viewsByValue[id] == nil
      else { continue }
      stack += graph[id].operands
    }
    for id in needed.sorted() {
      if let panel = panelToRead(id, stage: stage) {
        panelInputs.append(builder.addInput(panel.name, panel.storage, inPlaceOf: id))
      } else if let view = viewsByValue[id] {
        panelInputs.append(
          builder.addInput(view.name, storages[view.base] ?? .f32, inPlaceOf: id))
      } else {
        builder.copy(id)
      }
    }
    let parameters = needed.filter {
      inputPlaces[$0] != nil && panelToRead($0, stage: stage) == nil
    }
    .sorted { inputPlaces[$0] ?? 0 < inputPlaces[$1] ?? 0 }
    .compactMap { builder[$0] }
    return builder.graph(
      name: name, inputs: parameters + panelInputs,
      outputs: roots.map { root in
        Output(name: root.output.name, value: root.value, storage: root.output.storage)
      })
  }
}
