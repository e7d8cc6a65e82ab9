/// Checks that a graph obeys its rules: order, arity, shapes, names and interning.
public enum GraphVerifier {
  /// Verifies `graph`.
  ///
  /// - Throws: ``GraphError`` naming the first rule that does not hold.
  public static func verify(_ graph: Graph) throws(GraphError) {
    try verifyIdentifiers(graph)
    try verifyNames(graph)
    var seen: Set<Key> = []
    for id in graph.values {
      let node = graph[id]
      try verifyOperands(of: id, in: graph)
      let shapes = node.operands.map { graph[$0].shape }
      let shape: Shape
      do {
        shape = try node.op.resultShape(of: shapes, requested: node.shape)
      } catch {
        throw GraphError(.shape(error), kernel: graph.name)
      }
      guard shape == node.shape else {
        throw malformed("value \(id.index) has shape \(node.shape) instead of \(shape)", graph)
      }
      guard seen.insert(Key(op: node.op, operands: node.operands, shape: shape)).inserted else {
        throw malformed("value \(id.index) repeats an earlier value", graph)
      }
    }
  }

  private struct Key: Hashable {
    let op: Op
    let operands: [ValueID]
    let shape: Shape
  }

  private static func malformed(_ what: String, _ graph: Graph) -> GraphError {
    GraphError(.malformed(what), kernel: graph.name)
  }

  /// Nothing is looked up before it is known to exist.
  private static func verifyIdentifiers(_ graph: Graph) throws(GraphError) {
    for id in graph.values {
      let node = graph[id]
      for operand in node.operands where operand >= id || operand.index < 0 {
        throw malformed("value \(id.index) uses value \(operand.index) before it exists", graph)
      }
      if let scope = node.scope, !graph.scopes.indices.contains(scope.index) {
        throw malformed("value \(id.index) is in composition \(scope.index), which is none", graph)
      }
    }
    for (index, scope) in graph.scopes.enumerated() {
      guard let parent = scope.parent else { continue }
      guard (0..<index).contains(parent.index) else {
        throw malformed("composition \(index) is in \(parent.index), which is not before it", graph)
      }
    }
    for id in graph.inputs + graph.outputs.map(\.value)
    where !graph.nodes.indices.contains(id.index) {
      throw malformed("the parameters name value \(id.index), which is none", graph)
    }
  }

  private static func verifyOperands(of id: ValueID, in graph: Graph) throws(GraphError) {
    let node = graph[id]
    guard node.op.traits.operandCounts.contains(node.operands.count) else {
      throw malformed("value \(id.index) has \(node.operands.count) operands", graph)
    }
    if case .constant(let bits) = node.op, Float(bitPattern: bits).isNaN {
      throw GraphError(.notANumber, kernel: graph.name)
    }
    if case .dequantize(let format) = node.op,
      let refusal = format.refusal(of: graph[node.operands[0]].op)
    {
      throw GraphError(refusal, kernel: graph.name)
    }
    if case .matmul(let matmul) = node.op {
      do {
        try matmul.verifyOperands(
          value: graph[graph.beneathReshapes(node.operands[0])].op,
          weights: graph[
            matmul.accumulation == .int8
              ? node.operands[1] : graph.beneathViews(node.operands[1])
          ].op, depth: graph[node.operands[0]].shape.rowExtent, group: graph.scaleGroup(of: id))
      } catch {
        throw GraphError(.matmul(error), kernel: graph.name)
      }
    }
  }

  private static func verifyNames(_ graph: Graph) throws(GraphError) {
    guard Identifier.isValid(graph.name) else {
      throw GraphError(.invalidName(graph.name, role: "kernel"))
    }
    guard !graph.outputs.isEmpty else { throw GraphError(.noOutput, kernel: graph.name) }
    var parameters: Set<String> = []
    func declare(_ name: String, role: String) throws(GraphError) {
      guard Identifier.isValid(name) else {
        throw GraphError(.invalidName(name, role: role), kernel: graph.name)
      }
      guard parameters.insert(name).inserted else {
        throw GraphError(.duplicateName(name), kernel: graph.name)
      }
    }
    let useCounts = graph.useCounts
    for id in graph.inputs {
      guard case .input(let name, _) = graph[id].op else {
        throw malformed("value \(id.index) is listed as an input", graph)
      }
      try declare(name, role: "input")
      guard useCounts[id.index] > 0 else {
        throw GraphError(.unusedInput(name), kernel: graph.name)
      }
    }
    let inputs = Set(graph.inputs)
    for id in graph.values {
      if case .input(let name, _) = graph[id].op, !inputs.contains(id) {
        throw malformed("the input '\(name)' is not a parameter", graph)
      }
    }
    var valueNames = parameters
    for output in graph.outputs {
      try declare(output.name, role: "output")
      let shape = graph[output.value].shape
      guard shape.hasRows || graph.isOverRows(graph.beneathReshapes(output.value)) else {
        throw GraphError(.outputWithoutRows(output.name, shape), kernel: graph.name)
      }
    }
    for node in graph.nodes {
      guard let name = node.name else { continue }
      guard Identifier.isValid(name) else {
        throw GraphError(.invalidName(name, role: "value"), kernel: graph.name)
      }
      guard valueNames.insert(name).inserted else {
        throw malformed("two values are named '\(name)'", graph)
      }
    }
    for scope in graph.scopes where !Identifier.isValid(scope.name) {
      throw GraphError(.invalidName(scope.name, role: "composition"), kernel: graph.name)
    }
  }
}
