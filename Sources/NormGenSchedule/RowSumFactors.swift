import NormGenIR

/// Gives both factors of a product that is summed over rows the shape of the product, so that each
/// can lie in a panel.
enum RowSumFactors {
  static func broadcast(in graph: Graph) throws(PlanError) -> Graph {
    var nodes: [Node] = []
    var new: [ValueID: ValueID] = [:]
    for id in graph.values {
      let node = graph[id]
      var operands = node.operands.compactMap { new[$0] }
      if case .rowSum = node.op { operands = try broadcast(operands, &nodes, id, graph) }
      new[id] = ValueID(nodes.count)
      nodes.append(
        Node(
          op: node.op, operands: operands, shape: node.shape, name: node.name, scope: node.scope,
          location: node.location))
    }
    return Graph(
      name: graph.name, nodes: nodes, inputs: graph.inputs.compactMap { new[$0] },
      outputs: graph.outputs.map { output in
        Output(
          name: output.name, value: new[output.value] ?? output.value, storage: output.storage)
      }, scopes: graph.scopes)
  }

  private static func broadcast(
    _ operands: [ValueID], _ nodes: inout [Node], _ id: ValueID, _ graph: Graph
  ) throws(PlanError) -> [ValueID] {
    let shapes = operands.map { nodes[$0.index].shape }
    guard let term = try? Op.elementwise(.multiply).resultShape(of: shapes, requested: .scalar),
      let whole = operands.first(where: { nodes[$0.index].shape == term })
    else {
      let list = shapes.map(\.description).joined(separator: " and ")
      throw PlanError(
        at: id, in: graph,
        "the product of values of shapes \(list) is summed over rows beside products with "
          + "weights; one of them must have the shape of the product")
    }
    return operands.map { operand in
      guard nodes[operand.index].shape != term else { return operand }
      // No number is greater than itself, so that every element is the operand's.
      nodes.append(
        Node(
          op: .elementwise(.selectGreater), operands: [whole, whole, whole, operand], shape: term))
      return ValueID(nodes.count - 1)
    }
  }
}
