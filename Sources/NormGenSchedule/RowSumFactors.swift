import NormGenIR

/// Gives both factors of a product that is summed over rows the shape of the product, so that each
/// can lie in a panel.
enum RowSumFactors {
  static func broadcast(in graph: Graph) throws(PlanError) -> Graph {
    var builder = GraphBuilder(rewriting: graph)
    for id in graph.values {
      guard case .rowSum = graph[id].op else {
        builder.copy(id)
        continue
      }
      builder.copy(id, operands: try broadcast(&builder, id))
    }
    return builder.graph()
  }

  private static func broadcast(
    _ builder: inout GraphBuilder, _ id: ValueID
  ) throws(PlanError) -> [ValueID] {
    let operands = builder.operands(of: id)
    let shapes = operands.map { builder.node($0).shape }
    guard let term = try? Op.elementwise(.multiply).resultShape(of: shapes, requested: .scalar),
      let whole = operands.first(where: { builder.node($0).shape == term })
    else {
      let list = shapes.map(\.description).joined(separator: " and ")
      throw PlanError(
        at: id, in: builder.source,
        "the product of values of shapes \(list) is summed over rows beside products with "
          + "weights; one of them must have the shape of the product")
    }
    return operands.map { operand in
      guard builder.node(operand).shape != term else { return operand }
      // No number is greater than itself, so that every element is the operand's.
      return builder.add(
        .elementwise(.selectGreater), [whole, whole, whole, operand], shape: term)
    }
  }
}
