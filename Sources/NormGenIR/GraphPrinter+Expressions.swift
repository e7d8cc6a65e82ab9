/// Expressions of the text form: definitions with what they use written in place.
extension GraphPrinter {
  /// The right-hand side that defines `id` in the text form, such as `mean(x * x)`.
  public func definition(of id: ValueID) -> String { written(pieces(of: id)) }

  /// How expressions of the text form refer to `id`: its name, its number such as `%2`, or its
  /// definition where it has neither.
  public func reference(to id: ValueID) -> String { written([.operand(id, .sum)]) }

  enum Precedence: Int, Comparable {
    case sum, product, prefix, atom

    static func < (left: Precedence, right: Precedence) -> Bool { left.rawValue < right.rawValue }

    var tighter: Precedence { Precedence(rawValue: rawValue + 1) ?? .atom }
  }

  /// A part of an expression.
  private enum Piece {
    case text(String)
    /// A value, in parentheses if it binds less tightly.
    case operand(ValueID, Precedence)
  }

  /// The pieces as text, without recursion: values are written where they stand.
  private func written(_ pieces: [Piece]) -> String {
    var text = ""
    var pending = Array(pieces.reversed())
    while let piece = pending.popLast() {
      switch piece {
      case .text(let part): text += part
      case .operand(let id, let minimum):
        if let name = name(of: id) {
          text += name
        } else if precedence(id) < minimum {
          pending.append(.text(")"))
          pending += self.pieces(of: id).reversed()
          text += "("
        } else {
          pending += self.pieces(of: id).reversed()
        }
      }
    }
    return text
  }

  /// What stands for a value wherever it is used; nil if its definition does.
  private func name(of id: ValueID) -> String? {
    let node = graph[declared[id] ?? id]
    return node.inputName ?? node.name ?? anonymousNumbers[id].map { "%\($0)" }
  }

  private func precedence(_ id: ValueID) -> Precedence {
    if let constant = graph.constant(id) { return constant.sign == .minus ? .prefix : .atom }
    guard case .elementwise(let op) = graph[id].op else { return .atom }
    switch op {
    case .add, .subtract: return .sum
    case .multiply, .divide: return .product
    case .negate: return .prefix
    case .absolute, .binade, .squareRoot, .maximum, .minimum, .multiplyAdd, .selectGreater, .exp,
      .log, .tanh, .erf, .sigmoid:
      return .atom
    }
  }

  private func pieces(of id: ValueID) -> [Piece] {
    let node = graph[id]
    let operands = node.operands
    switch node.op {
    case .input(let name, _):
      return [.text(name)]
    case .constant(let bits):
      return [.text(Float(bitPattern: bits).description)]
    case .elementwise(let op):
      return elementwise(op, operands)
    case .statistic(let statistic):
      let window = statistic.window.description
      return [.text("\(GraphPrinter.functionName(of: statistic.reduction))(")] + term(operands)
        + [.text(window.isEmpty ? ")" : ", \(window))")]
    case .convert(let type):
      return call(type.rawValue, operands)
    case .dequantize(let format):
      return call("dequantize", operands, "format: \(format.name)")
    case .reshape:
      return call("reshape", operands, "\(node.shape)")
    case .columns(let start, let count):
      return call("columns", operands, "from: \(start)", "count: \(count)")
    case .concatenate:
      return call("concatenate", operands)
    case .leadingPart(let count, let extent):
      return call("leading_part", operands, "count: \(count)", "of: \(extent)")
    case .matmul(let matmul):
      guard operands.count > 2 else { return call("matmul", operands, matmul.arguments) }
      let scale: [Piece] = [.text(", scale: "), .operand(operands[2], .sum)]
      return call("matmul", Array(operands.prefix(2)), matmul.arguments, scale)
    case .rowSum(let sum):
      return [.text("\(sum.functionName)(")] + term(operands)
        + [.text(", keep: \(sum.keptAxes))")]
    case .outerSum:
      return call("outer_sum", operands)
    }
  }

  /// What a sum adds up: a value, or the product of two.
  private func term(_ operands: [ValueID]) -> [Piece] {
    operands.count == 2 ? infix("*", operands, .product) : [.operand(operands[0], .sum)]
  }

  private func elementwise(_ op: ElementwiseOp, _ operands: [ValueID]) -> [Piece] {
    switch op {
    case .add: return infix("+", operands, .sum)
    case .subtract: return infix("-", operands, .sum)
    case .multiply: return infix("*", operands, .product)
    case .divide: return infix("/", operands, .product)
    case .negate:
      // `-0.5` is a constant; the negation of a constant keeps its parentheses.
      let isConstant = graph.constant(operands[0]) != nil
      return isConstant
        ? [.text("-("), .operand(operands[0], .sum), .text(")")]
        : [.text("-"), .operand(operands[0], .atom)]
    case .selectGreater:
      let all = operands.map { Piece.operand($0, .sum) }
      return [
        .text("select("), all[0], .text(" > "), all[1], .text(", "), all[2], .text(", "), all[3],
        .text(")"),
      ]
    case .absolute, .binade, .squareRoot, .maximum, .minimum, .multiplyAdd, .exp, .log, .tanh,
      .erf, .sigmoid:
      return call(op.functionName ?? op.rawValue, operands)
    }
  }

  private func call(_ function: String, _ operands: [ValueID], _ last: String...) -> [Piece] {
    call(function, operands, last)
  }

  private func call(
    _ function: String, _ operands: [ValueID], _ last: [String], _ end: [Piece] = []
  ) -> [Piece] {
    let arguments = operands.map { Piece.operand($0, .sum) } + last.map { .text($0) }
    let separated = arguments.flatMap { [.text(", "), $0] }.dropFirst()
    return [.text("\(function)(")] + separated + end + [.text(")")]
  }

  /// Operators group to the left, so a right operand of equal precedence needs parentheses.
  private func infix(_ symbol: String, _ operands: [ValueID], _ level: Precedence) -> [Piece] {
    [
      .operand(operands[0], level), .text(" \(symbol) "), .operand(operands[1], level.tighter),
    ]
  }
}
