import NormGenIR

/// Plans values over all rows: where each block's results are accumulated and which outputs store
/// them when the last row is done.
enum TotalsPlanner {
  /// The plan of a graph that is one region, whose passes accumulate its sums over rows.
  static func plan(of graph: Graph) throws(PlanError) -> KernelPlan {
    var names = NameAllocator(of: graph)
    let totals = totals(of: graph, names: &names)
    let region = try FusionPlanner.region(of: accumulating(graph, totals))
    return KernelPlan(
      graph: graph, stages: [KernelPlan.Stage(regions: [region])], totals: totals)
  }

  /// The totals of a graph in the order of its values.
  static func totals(of graph: Graph, names: inout NameAllocator) -> [KernelPlan.PlannedTotal] {
    let stores = Dictionary(grouping: graph.outputs.indices) {
      graph.beneathReshapes(graph.outputs[$0].value)
    }
    return graph.values.filter(graph.isOverRows).map { id in
      let outputs = stores[id] ?? []
      let label = graph[id].name ?? outputs.first.map { graph.outputs[$0].name } ?? "total"
      return KernelPlan.PlannedTotal(
        name: names.fresh("\(label)_sums"), value: id, outputs: outputs)
    }
  }

  /// - Throws: ``PlanError`` when something is computed from a value over all rows.
  static func verifyUses(in graph: Graph) throws(PlanError) {
    for id in graph.values where graph[id].op != .reshape {
      for operand in graph[id].operands where graph.isOverRows(graph.beneathReshapes(operand)) {
        let printer = GraphPrinter(graph)
        let used = printer.definition(of: graph.beneathReshapes(operand))
        throw PlanError(
          at: id, in: graph,
          "'\(printer.definition(of: id))' needs \(used), which is known "
            + "when the last row is done; make it an output, and an input of a second kernel")
      }
    }
  }

  /// The graph with an output for each total in place of those that store it.
  private static func accumulating(
    _ graph: Graph, _ totals: [KernelPlan.PlannedTotal]
  ) -> Graph {
    var builder = GraphBuilder(rewriting: graph)
    // A total is memory without rows; under which shape, only its outputs say.
    for id in graph.values
    where graph[id].op != .reshape || !graph.isOverRows(graph.beneathReshapes(id)) {
      builder.copy(id)
    }
    let stored = Set(totals.flatMap(\.outputs))
    var outputs = graph.outputs.indices.filter { !stored.contains($0) }.map { graph.outputs[$0] }
    outputs += totals.map { Output(name: $0.name, value: $0.value, storage: .f32) }
    return builder.graph(name: "\(graph.name)_rows", outputs: outputs)
  }
}
