/// Prints a graph in the text form, without loss: parsing the text gives an equal graph.
///
/// Named and shared values become statements, others are written where they are used. A value
/// that is shared but has no name is written `%1`, `%2`, …. Compositions become blocks.
public struct GraphPrinter {
  private let graph: Graph
  private let useCounts: [Int]
  private let statements: Set<ValueID>
  private let anonymousNumbers: [ValueID: Int]

  /// The text of `graph`, ending in a newline.
  public static func text(of graph: Graph) -> String {
    GraphPrinter(graph).text
  }

  /// The right-hand side that defines `id` in the text form, such as `mean(x * x)`.
  public static func definition(of id: ValueID, in graph: Graph) -> String {
    GraphPrinter(graph).definition(id)
  }

  /// How expressions of the text form refer to `id`: its name, its number such as `%2`, or its
  /// definition where it has neither.
  public static func reference(to id: ValueID, in graph: Graph) -> String {
    GraphPrinter(graph).reference(id)
  }

  /// The values that the text form gives a statement of their own, in order.
  ///
  /// These are the named, the shared and the stored values, and those used from another scope.
  public static func statementValues(of graph: Graph) -> [ValueID] {
    let useCounts = graph.useCounts
    var users: [ValueID: ValueID] = [:]
    for id in graph.values {
      for operand in graph[id].operands { users[operand] = id }
    }
    let stored = Set(graph.outputs.map(\.value))
    return graph.values.filter { id in
      let node = graph[id]
      switch node.op {
      case .input, .constant: return false
      case .elementwise, .statistic, .convert, .reshape, .columns, .concatenate, .leadingPart,
        .matmul, .rowSum, .outerSum:
        break
      }
      guard node.name == nil, useCounts[id.index] == 1, !stored.contains(id),
        let user = users[id]
      else { return true }
      return graph[user].scope != node.scope
    }
  }

  private init(_ graph: Graph) {
    self.graph = graph
    self.useCounts = graph.useCounts
    let ordered = GraphPrinter.statementValues(of: graph)
    self.statements = Set(ordered)
    var numbers: [ValueID: Int] = [:]
    for id in ordered where graph[id].name == nil { numbers[id] = numbers.count + 1 }
    self.anonymousNumbers = numbers
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
      lines.append(indent(open.count + 1) + "\(reference(id)) = \(definition(id))")
    }
    while !open.isEmpty {
      open.removeLast()
      lines.append(indent(open.count + 1) + "}")
    }
    let outputs = graph.outputs.map { output in
      let value = reference(output.value)
      let name = "\(output.name): \(output.storage.rawValue)"
      return value == output.name ? name : "\(name) = \(value)"
    }
    lines.append("} -> " + outputs.joined(separator: ", "))
    return lines.joined(separator: "\n") + "\n"
  }

  private var header: String {
    let parameters = graph.inputs.map { id -> String in
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

  /// How a value is referred to, as a whole expression of the weakest binding that it needs.
  private func reference(_ id: ValueID) -> String {
    let node = graph[id]
    if case .input(let name, _) = node.op { return name }
    if let name = node.name { return name }
    if let number = anonymousNumbers[id] { return "%\(number)" }
    return definition(id)
  }

  private enum Precedence: Int, Comparable {
    case sum, product, prefix, atom

    static func < (left: Precedence, right: Precedence) -> Bool { left.rawValue < right.rawValue }

    var tighter: Precedence { Precedence(rawValue: rawValue + 1) ?? .atom }
  }

  private func precedence(_ id: ValueID) -> Precedence {
    if statements.contains(id) { return .atom }
    switch graph[id].op {
    case .elementwise(.add), .elementwise(.subtract): return .sum
    case .elementwise(.multiply), .elementwise(.divide): return .product
    case .elementwise(.negate): return .prefix
    case .constant(let bits):
      return Float(bitPattern: bits).sign == .minus ? .prefix : .atom
    case .input, .elementwise, .statistic, .convert, .reshape, .columns, .concatenate, .leadingPart,
      .matmul, .rowSum, .outerSum:
      return .atom
    }
  }

  private func operand(_ id: ValueID, atLeast minimum: Precedence) -> String {
    let text = reference(id)
    return precedence(id) < minimum ? "(\(text))" : text
  }

  private func definition(_ id: ValueID) -> String {
    let node = graph[id]
    let operands = node.operands
    switch node.op {
    case .input(let name, _):
      return name
    case .constant(let bits):
      return Float(bitPattern: bits).description
    case .elementwise(let op):
      return elementwise(op, operands)
    case .statistic(let statistic):
      let term = term(operands)
      let window = statistic.window.description
      let name = GraphPrinter.functionName(of: statistic.reduction)
      return "\(name)(\(term)\(window.isEmpty ? "" : ", " + window))"
    case .convert(let type):
      return "\(type.rawValue)(\(operand(operands[0], atLeast: .sum)))"
    case .reshape:
      return "reshape(\(operand(operands[0], atLeast: .sum)), \(node.shape))"
    case .columns(let start, let count):
      return "columns(\(operand(operands[0], atLeast: .sum)), from: \(start), count: \(count))"
    case .concatenate:
      return "concatenate(\(operands.map { operand($0, atLeast: .sum) }.joined(separator: ", ")))"
    case .leadingPart(let count, let extent):
      let operand = operand(operands[0], atLeast: .sum)
      return "leading_part(\(operand), count: \(count), of: \(extent))"
    case .matmul(let matmul):
      let parts = operands.map { operand($0, atLeast: .sum) } + matmul.arguments
      return "matmul(\(parts.joined(separator: ", ")))"
    case .rowSum(let sum):
      return "\(sum.functionName)(\(term(operands)), keep: \(sum.keptAxes))"
    case .outerSum:
      let parts = operands.map { operand($0, atLeast: .sum) }
      return "outer_sum(\(parts.joined(separator: ", ")))"
    }
  }

  /// What a sum adds up: a value, or the product of two.
  private func term(_ operands: [ValueID]) -> String {
    operands.count == 2
      ? infix("*", operands, .product) : operand(operands[0], atLeast: .sum)
  }

  private func elementwise(_ op: ElementwiseOp, _ operands: [ValueID]) -> String {
    switch op {
    case .add: return infix("+", operands, .sum)
    case .subtract: return infix("-", operands, .sum)
    case .multiply: return infix("*", operands, .product)
    case .divide: return infix("/", operands, .product)
    case .negate:
      // `-0.5` is a constant; the negation of a constant keeps its parentheses.
      let isConstant = graph.constant(operands[0]) != nil
      return isConstant
        ? "-(\(reference(operands[0])))" : "-" + operand(operands[0], atLeast: .atom)
    case .selectGreater:
      let parts = operands.map { reference($0) }
      return "select(\(parts[0]) > \(parts[1]), \(parts[2]), \(parts[3]))"
    case .absolute, .binade, .squareRoot, .maximum, .minimum, .multiplyAdd, .exp, .log, .tanh,
      .erf, .sigmoid:
      let parts = operands.map { reference($0) }
      return "\(op.functionName ?? op.rawValue)(\(parts.joined(separator: ", ")))"
    }
  }

  /// Operators group to the left, so a right operand of equal precedence needs parentheses.
  private func infix(_ symbol: String, _ operands: [ValueID], _ level: Precedence) -> String {
    let left = operand(operands[0], atLeast: level)
    let right = operand(operands[1], atLeast: level.tighter)
    return "\(left) \(symbol) \(right)"
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
