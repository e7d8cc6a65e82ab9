import NormGenIR

/// Turns the tensors reachable from a kernel's outputs into an interned, ordered graph.
struct Freezer {
  private var nodes: [Node] = []
  private var interned: [Key: ValueID] = [:]
  private var values: [ObjectIdentifier: ValueID] = [:]
  private var scopes: [Scope] = []
  private var scopeIDs: [ObjectIdentifier: ScopeID] = [:]

  private struct Key: Hashable {
    let op: Op
    let operands: [ValueID]
    let shape: Shape
  }

  static func freeze(
    name: String, outputs: [(name: String, node: TensorNode, storage: DType)],
    parameterOrder: [String]?
  ) throws(GraphError) -> Graph {
    var freezer = Freezer()
    for node in reachable(from: outputs.map(\.node)) { freezer.add(node) }
    let stored = outputs.map { output in
      Output(
        name: output.name, value: freezer.values[ObjectIdentifier(output.node)] ?? ValueID(0),
        storage: output.storage)
    }
    let draft = freezer.draft(name: name, outputs: stored, parameterOrder: parameterOrder)
    return try Canonicalizer.canonical(draft)
  }

  /// Every node below `roots` once, in creation order; iterative, for chains of any length.
  static func reachable(from roots: [TensorNode]) -> [TensorNode] {
    var seen: Set<ObjectIdentifier> = []
    var found: [TensorNode] = []
    var stack = roots
    while let node = stack.popLast() {
      guard seen.insert(ObjectIdentifier(node)).inserted else { continue }
      found.append(node)
      stack.append(contentsOf: node.operands)
    }
    return found.sorted { $0.sequence < $1.sequence }
  }

  private mutating func add(_ node: TensorNode) {
    let operands = node.operands.compactMap { values[ObjectIdentifier($0)] }
    let key = Key(op: node.op, operands: operands, shape: node.shape)
    if let known = interned[key] {
      values[ObjectIdentifier(node)] = known
      if nodes[known.index].name == nil, let name = node.name {
        nodes[known.index] = nodes[known.index].renamed(name)
      }
      return
    }
    let scope = node.op.traits.isLeaf ? nil : scopeID(of: node.scope)
    let id = ValueID(nodes.count)
    nodes.append(
      Node(
        op: node.op, operands: operands, shape: node.shape, name: node.name, scope: scope,
        location: node.location))
    interned[key] = id
    values[ObjectIdentifier(node)] = id
  }

  private mutating func scopeID(of path: ScopePath?) -> ScopeID? {
    var unknown: [ScopePath] = []
    var current = path
    while let scope = current, scopeIDs[ObjectIdentifier(scope)] == nil {
      unknown.append(scope)
      current = scope.parent
    }
    for scope in unknown.reversed() {
      let parent = scope.parent.flatMap { scopeIDs[ObjectIdentifier($0)] }
      scopeIDs[ObjectIdentifier(scope)] = ScopeID(scopes.count)
      scopes.append(Scope(name: scope.name, parent: parent))
    }
    return path.flatMap { scopeIDs[ObjectIdentifier($0)] }
  }

  private func draft(name: String, outputs: [Output], parameterOrder: [String]?) -> Graph {
    var inputs = nodes.indices.map { ValueID($0) }.filter { id in
      if case .input = nodes[id.index].op { return true }
      return false
    }
    if let parameterOrder {
      let places = Dictionary(
        zip(parameterOrder, parameterOrder.indices), uniquingKeysWith: { first, _ in first })
      func position(_ id: ValueID) -> Int {
        nodes[id.index].inputName.flatMap { places[$0] } ?? parameterOrder.count
      }
      inputs.sort { position($0) < position($1) }
    }
    return Graph(name: name, nodes: nodes, inputs: inputs, outputs: outputs, scopes: scopes)
  }
}

extension Node {
  func renamed(_ name: String?) -> Node {
    Node(op: op, operands: operands, shape: shape, name: name, scope: scope, location: location)
  }
}
