package import NormGenIR

/// Gives a graph unique names and the one node order that its text form implies.
///
/// Columns and concatenations are written the shortest way, see ``ColumnSimplifier``.
///
/// Inputs come first, in parameter order; then, statement by statement, the values that a
/// statement writes in place precede it. Parsing a printed graph therefore gives it back.
package enum Canonicalizer {
  package static func canonical(_ draft: Graph) throws(GraphError) -> Graph {
    reordered(named(try ColumnSimplifier.simplified(draft)))
  }

  /// Outputs lend their names to their values; other names are made unique.
  private static func named(_ graph: Graph) -> Graph {
    var taken: Set<String> = []
    for id in graph.inputs {
      if case .input(let name, _) = graph[id].op { taken.insert(name) }
    }
    var outputNames: [ValueID: String] = [:]
    for output in graph.outputs {
      if case .input = graph[output.value].op { continue }
      if outputNames[output.value] == nil { outputNames[output.value] = output.name }
    }
    taken.formUnion(graph.outputs.map(\.name))
    // All suffixes below are taken, so that many values of one name are no square.
    var suffixes: [String: Int] = [:]
    let nodes = graph.values.map { id -> Node in
      let node = graph[id]
      if node.op.traits.isLeaf { return node.renamed(nil) }
      if let name = outputNames[id] { return node.renamed(name) }
      guard let wanted = node.name else { return node }
      var name = wanted
      var suffix = suffixes[wanted] ?? 2
      while !taken.insert(name).inserted {
        let end = "_\(suffix)"
        name = wanted.prefix(Identifier.longest - end.utf8.count) + end
        suffix += 1
      }
      suffixes[wanted] = suffix
      return node.renamed(name)
    }
    return Graph(
      name: graph.name, nodes: nodes, inputs: graph.inputs, outputs: graph.outputs,
      scopes: graph.scopes)
  }

  private static func reordered(_ graph: Graph) -> Graph {
    var order: [ValueID] = graph.inputs
    var placed = Set(order)
    func place(_ root: ValueID) {
      // Operands first, left to right, without recursion.
      var stack: [(id: ValueID, next: Int)] = [(root, 0)]
      while let top = stack.last {
        let operands = graph[top.id].operands
        if placed.contains(top.id) {
          stack.removeLast()
        } else if top.next < operands.count {
          stack[stack.count - 1].next += 1
          stack.append((operands[top.next], 0))
        } else {
          placed.insert(top.id)
          order.append(top.id)
          stack.removeLast()
        }
      }
    }
    let ordered = GraphPrinter.statementValues(of: graph)
    let statements = Set(ordered)
    for statement in ordered { place(statement) }
    for output in graph.outputs { place(output.value) }

    var renumbered: [ValueID: ValueID] = [:]
    for (position, id) in order.enumerated() { renumbered[id] = ValueID(position) }
    func new(_ id: ValueID) -> ValueID { renumbered[id] ?? id }

    var scopes: [Scope] = []
    var newScopes: [ScopeID: ScopeID] = [:]
    func new(_ scope: ScopeID?) -> ScopeID? {
      // The scopes that are new, innermost first.
      var path: [ScopeID] = []
      var current = scope
      while let id = current, newScopes[id] == nil {
        path.append(id)
        current = graph.scopes[id.index].parent
      }
      for id in path.reversed() {
        let old = graph.scopes[id.index]
        newScopes[id] = ScopeID(scopes.count)
        scopes.append(Scope(name: old.name, parent: old.parent.flatMap { newScopes[$0] }))
      }
      return scope.flatMap { newScopes[$0] }
    }
    // Scopes are numbered in the order in which statements open them.
    for id in order where statements.contains(id) { _ = new(graph[id].scope) }
    let nodes = order.map { id in
      let node = graph[id]
      return Node(
        op: node.op, operands: node.operands.map { new($0) }, shape: node.shape,
        name: node.name, scope: new(node.scope), location: node.location)
    }
    let outputs = graph.outputs.map {
      Output(name: $0.name, value: new($0.value), storage: $0.storage)
    }
    return Graph(
      name: graph.name, nodes: nodes, inputs: graph.inputs.map { new($0) }, outputs: outputs,
      scopes: scopes)
  }
}
