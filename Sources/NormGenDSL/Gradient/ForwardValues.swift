import NormGenIR

/// A kernel's values as tensors again, those that are saved as inputs.
struct ForwardValues {
  let graph: Graph
  private var tensors: [Tensor] = []
  /// The kernel's own values 1 / value, by the value.
  private var known: [ValueID: ValueID] = [:]
  private var reciprocals: [ValueID: Tensor] = [:]

  /// - Parameter saved: The values that the gradient kernel reads, by the name of the input.
  init(_ graph: Graph, saved: [ValueID: String]) {
    self.graph = graph
    var paths: [ScopePath?] = []
    for scope in graph.scopes {
      paths.append(ScopePath(name: scope.name, parent: scope.parent.flatMap { paths[$0.index] }))
    }
    for id in graph.values {
      let node = graph[id]
      if node.op == .elementwise(.divide), known[node.operands[1]] == nil,
        graph.constant(node.operands[0]) == 1
      {
        known[node.operands[1]] = id
      }
      let path = node.scope.flatMap { paths[$0.index] }
      var tensor = TensorNode.$scope.withValue(path) {
        Tensor.make(
          node.op, node.operands.map { tensors[$0.index] }, requested: node.shape, storage: nil,
          location: node.location)
      }
      if let name = node.name { tensor = tensor.named(name) }
      if let name = saved[id] {
        tensor = Tensor(
          node: TensorNode(
            op: .input(name: name, storage: node.op.traits.exactStorage), operands: [],
            shape: node.shape, name: nil, location: nil, error: nil, saved: tensor.node),
          storage: nil)
      }
      tensors.append(tensor)
    }
  }

  subscript(id: ValueID) -> Tensor { tensors[id.index] }

  /// 1 / value, the kernel's own if it computes it.
  mutating func reciprocal(of id: ValueID) -> Tensor {
    if let made = reciprocals[id] { return made }
    let reciprocal = known[id].map { self[$0] } ?? 1 / self[id]
    reciprocals[id] = reciprocal
    return reciprocal
  }

  /// Whether the kernel itself computes 1 / value.
  func hasReciprocal(of id: ValueID) -> Bool {
    known[id] != nil
  }

  /// A value's name for errors.
  func label(of id: ValueID) -> String {
    let node = graph[id]
    if let name = node.inputName { return "the input '\(name)'" }
    if let name = node.name { return "the value '\(name)'" }
    return "the value \(GraphPrinter(graph).definition(of: id))"
  }
}
