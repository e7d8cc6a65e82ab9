import NormGenIR

/// Plans values over all rows: where each block's results are accumulated and which outputs store
/// them when the last row is done.
enum TotalsPlanner {
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
}
