/// Prints a graph in the text form, without loss: parsing the text gives an equal graph.
///
/// Named and shared values become statements, others are written where they are used. A value
/// that is shared but has no name is written `%1`, `%2`, …. Compositions become blocks.
///
/// Keep one printer for many questions about a graph: it is made in time proportional to the graph.
public struct GraphPrinter {
  let graph: Graph
  let statements: Set<ValueID>
  let anonymousNumbers: [ValueID: Int]
  /// The inputs that are declared by their blocks' format, by the values that they hold.
  let declared: [ValueID: ValueID]

  /// The text of `graph`, ending in a newline.
  public static func text(of graph: Graph) -> String {
    GraphPrinter(graph).text
  }

  /// Values in deeper calls and parentheses than this get a statement in between: nobody reads
  /// them, and no reader's stack depends on them.
  static let deepestExpression = 48

  /// The values that the text form gives a statement of their own, in order.
  ///
  /// These are the named, the shared and the stored values, those used from another scope, and one
  /// in so many of those that are nested deeply.
  public static func statementValues(of graph: Graph) -> [ValueID] {
    let useCounts = graph.useCounts
    var users = [ValueID?](repeating: nil, count: graph.nodes.count)
    for id in graph.values {
      for operand in graph[id].operands { users[operand.index] = id }
    }
    let stored = Set(graph.outputs.map(\.value))
    let declared = declaredBlocks(of: graph)
    /// The calls and parentheses inside each other in each value's expression, at most.
    var nesting = [Int](repeating: 0, count: graph.nodes.count)
    return graph.values.filter { id in
      let node = graph[id]
      if node.op.traits.isLeaf || declared[id] != nil { return false }
      guard node.name == nil, useCounts[id.index] == 1, !stored.contains(id),
        let user = users[id.index], graph[user].scope == node.scope
      else { return true }
      let depths = node.operands.enumerated().lazy.map { place, operand in
        let joins = place == 0 && joinsLeft(graph[operand].op, in: node.op)
        return nesting[operand.index] + (joins ? 0 : 1)
      }
      let depth = depths.max() ?? 0
      guard depth <= deepestExpression else { return true }
      nesting[id.index] = depth
      return false
    }
  }

  /// The inputs that are declared by their blocks' format, by the values that they hold, which then need
  /// no expression.
  private static func declaredBlocks(of graph: Graph) -> [ValueID: ValueID] {
    var declared: [ValueID: ValueID] = [:]
    for (input, blocks) in graph.blockInputs {
      let node = graph[blocks.value]
      if node.name == nil, node.scope == nil { declared[blocks.value] = input }
    }
    return declared
  }

  /// Whether a left operand never stands in parentheses: `a + b` in `a + b - c`.
  private static func joinsLeft(_ operand: Op, in op: Op) -> Bool {
    guard case .elementwise(let op) = op, case .elementwise(let left) = operand else {
      return false
    }
    let products: [ElementwiseOp] = [.multiply, .divide]
    if products.contains(left) { return products.contains(op) || op == .add || op == .subtract }
    return [.add, .subtract].contains(left) && [.add, .subtract].contains(op)
  }

  /// A printer of `graph`, which must be verified.
  public init(_ graph: Graph) {
    self.graph = graph
    let ordered = GraphPrinter.statementValues(of: graph)
    self.statements = Set(ordered)
    var numbers: [ValueID: Int] = [:]
    for id in ordered where graph[id].name == nil { numbers[id] = numbers.count + 1 }
    self.anonymousNumbers = numbers
    self.declared = GraphPrinter.declaredBlocks(of: graph)
  }

  private var text: String {
    var lines = [header]
    var open: [ScopeID] = []
    for id in graph.values where statements.contains(id) {
      let path = scopePath(graph[id].scope)
      let shared = zip(open, path).prefix { $0 == $1 }.count
      while open.count > shared {
        open.removeLast()
        lines.append(indent(open.count + 1) + "}")
      }
      for scope in path[shared...] {
        lines.append(indent(open.count + 1) + "\(graph.scopes[scope.index].name) {")
        open.append(scope)
      }
      lines.append(indent(open.count + 1) + "\(reference(to: id)) = \(definition(of: id))")
    }
    while !open.isEmpty {
      open.removeLast()
      lines.append(indent(open.count + 1) + "}")
    }
    let outputs = graph.outputs.map { output in
      let value = reference(to: output.value)
      let name = "\(output.name): \(output.storage.rawValue)"
      return value == output.name ? name : "\(name) = \(value)"
    }
    lines.append("} -> " + outputs.joined(separator: ", "))
    return lines.joined(separator: "\n") + "\n"
  }

  private var header: String {
    let formats = Dictionary(uniqueKeysWithValues: declared.map { ($0.value, $0.key) })
    let parameters = graph.inputs.map { id -> String in
      if let value = formats[id], case .dequantize(let format) = graph[value].op {
        return "\(graph[id].inputName ?? "?"): \(format.name)\(graph[value].shape)"
      }
      guard case .input(let name, let storage) = graph[id].op else { return "?" }
      return "\(name): \(storage.rawValue)\(graph[id].shape)"
    }
    let oneLine = "kernel \(graph.name)(\(parameters.joined(separator: ", "))) {"
    if oneLine.count <= 96 { return oneLine }
    return "kernel \(graph.name)(\n"
      + parameters.map { "  " + $0 }.joined(separator: ",\n") + "\n) {"
  }

  private func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

  private func scopePath(_ scope: ScopeID?) -> [ScopeID] {
    var path: [ScopeID] = []
    var current = scope
    while let id = current {
      path.append(id)
      current = graph.scopes[id.index].parent
    }
    return path.reversed()
  }

  /// The name of a reduction as a function of the text form.
  public static func functionName(of reduction: Reduction) -> String {
    switch reduction {
    case .sum: "sum"
    case .mean: "mean"
    case .max: "row_max"
    case .min: "row_min"
    }
  }
}

extension Graph: CustomStringConvertible {
  /// The graph in the text form.
  public var description: String { GraphPrinter.text(of: self) }
}
