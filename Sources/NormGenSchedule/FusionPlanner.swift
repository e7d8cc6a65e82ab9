public import NormGenIR

/// Fuses a graph into regions and orders each region's work into passes over a row.
///
/// A value can be computed in pass 1 + the number of statistics that stand one behind the other
/// before it; a statistic is accumulated in the pass that computes its terms. Every store goes to
/// the earliest pass that runs over the whole row anyway. No order with fewer passes exists,
/// because a statistic is known only when its pass is over.
public enum FusionPlanner {
  /// The plan of `graph`: the regions of each stage, and the matmuls between them.
  ///
  /// - Throws: ``PlanError`` when steps over rows of different lengths meet.
  public static func plan(of graph: Graph) throws(PlanError) -> KernelPlan {
    // Regions have names that nobody has written.
    do { return try fused(graph) } catch { throw error.of(kernel: graph.name) }
  }

  private static func fused(_ whole: Graph) throws(PlanError) -> KernelPlan {
    try TotalsPlanner.verifyUses(in: whole)
    let (graph, weights) = try WeightPlanner.separated(from: whole)
    var plan = try StagePlanner.plan(of: GroupSums.added(to: graph))
    plan.computedWeights = weights
    return plan
  }

  /// The region of a graph without matmuls.
  ///
  /// - Throws: ``PlanError`` when steps over rows of different lengths meet.
  public static func region(of graph: Graph) throws(PlanError) -> Region {
    for id in graph.values where graph[id].shape.elementsPerRow > Shape.largestElementCount {
      throw PlanError(
        at: id, in: graph,
        "\(GraphPrinter(graph).label(of: id, in: graph)) of shape \(graph[id].shape) has more than "
          + "\(Shape.largestElementCount) elements; only the weights of a matmul may have more")
    }
    let (flat, parameterShapes) = try ReshapeRemover.removed(from: graph)
    return try region(of: flat, parameterShapes: parameterShapes)
  }

  private static func region(
    of graph: Graph, parameterShapes: [String: Shape]
  ) throws(PlanError) -> Region {
    let iteration = try iterationShape(of: graph)
    let rowExtent = iteration.rowExtent
    let roles = roles(of: graph, rowExtent: rowExtent)
    var levels = [Int](repeating: 0, count: graph.nodes.count)
    for id in graph.values {
      let node = graph[id]
      let level = node.operands.map { levels[$0.index] }.max() ?? 0
      levels[id.index] = node.op.traits.family == .statistic ? level + 1 : level
    }
    return Region(
      graph: graph, rowExtent: rowExtent, outerExtents: iteration.outerExtents, roles: roles,
      levels: levels, passes: passes(graph, roles, levels, rowExtent),
      parameterShapes: parameterShapes)
  }

  private static func passes(
    _ graph: Graph, _ roles: [Region.Role], _ levels: [Int], _ rowExtent: Int
  ) -> [Region.Pass] {
    var statistics: [Int: [ValueID]] = [:]
    var wholeRow: Set<Int> = []
    for id in graph.values {
      guard case .statistic(let statistic) = graph[id].op else { continue }
      let pass = levels[id.index] - 1
      statistics[pass, default: []].append(id)
      if (try? statistic.window.count(in: rowExtent)) == rowExtent { wholeRow.insert(pass) }
    }
    let rowOutputs = graph.outputs.indices.filter { roles[graph.outputs[$0].value.index] == .row }
    // The latest store needs its own pass in any case.
    if let last = rowOutputs.map({ levels[graph.outputs[$0].value.index] }).max() {
      wholeRow.insert(last)
    }
    var stores: [Int: [Int]] = [:]
    // The first pass over the whole row from each level on.
    var firstWhole: [Int?] = []
    for level in (0...(wholeRow.max() ?? 0)).reversed() {
      firstWhole.append(wholeRow.contains(level) ? level : firstWhole.last ?? nil)
    }
    firstWhole.reverse()
    for output in rowOutputs {
      let level = levels[graph.outputs[output].value.index]
      let pass = level < firstWhole.count ? firstWhole[level] ?? level : level
      stores[pass, default: []].append(output)
    }
    var scalarStores: [Int: [Int]] = [:]
    for output in graph.outputs.indices where roles[graph.outputs[output].value.index] != .row {
      scalarStores[levels[graph.outputs[output].value.index], default: []].append(output)
    }
    let last =
      [statistics.keys.max(), stores.keys.max(), scalarStores.keys.max()]
      .compactMap { $0 }.max() ?? 0
    return (0...last).map { pass in
      Region.Pass(
        statistics: statistics[pass] ?? [], stores: stores[pass] ?? [],
        scalarStores: scalarStores[pass] ?? [])
    }
  }

  /// The shape that all row-wise values broadcast to.
  private static func iterationShape(of graph: Graph) throws(PlanError) -> Shape {
    var shape = Shape(hasRows: true, extents: [1])
    for id in graph.values {
      let node = graph[id]
      let extents = node.shape.extents
      let whole = Shape(hasRows: node.shape.hasRows, extents: extents.isEmpty ? [1] : extents)
      do {
        let (wide, narrow) =
          shape.extents.count >= whole.extents.count ? (shape, whole) : (whole, shape)
        // Only ranks with `rows` must agree; the narrow side is a parameter or the start value.
        let aligned = Shape(
          hasRows: narrow.hasRows && narrow.extents.count == wide.extents.count,
          extents: narrow.extents)
        shape = try wide.broadcast(with: aligned)
      } catch {
        // An input stands in the way where it is used.
        let user =
          node.inputName == nil ? id : graph.values.first { graph[$0].operands.contains(id) }
        throw PlanError(
          at: user ?? id, in: graph,
          "\(GraphPrinter(graph).label(of: id, in: graph)), a value of shape \(node.shape), meets "
            + "rows of shape \(shape); steps over rows of different lengths need kernels of their "
            + "own")
      }
    }
    return Shape(hasRows: true, extents: shape.extents)
  }

  private static func roles(of graph: Graph, rowExtent: Int) -> [Region.Role] {
    var roles: [Region.Role] = []
    for node in graph.nodes {
      let varies =
        switch node.op.traits.variation {
        case .never: false
        case .withShape: !node.shape.extents.isEmpty && node.shape.rowExtent == rowExtent
        case .withOperands: node.operands.contains { roles[$0.index] == .row }
        case .always: true
        }
      roles.append(varies ? .row : .scalar)
    }
    return roles
  }
}
