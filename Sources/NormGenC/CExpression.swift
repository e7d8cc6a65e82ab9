import NormGenIR
import NormGenLoops

/// Prints loop expressions as C with as few parentheses as its precedence allows.
struct CExpression {
  var names: CNames
  /// The scalars and groups that each row of a tile has one of.
  let tileNames: Set<String>

  /// How tightly an expression binds.
  enum Precedence: Int, Comparable {
    case conditional, sum, product, prefix, atom

    static func < (left: Precedence, right: Precedence) -> Bool { left.rawValue < right.rawValue }

    var tighter: Precedence { Precedence(rawValue: rawValue + 1) ?? .atom }
  }

  typealias Printed = (text: String, precedence: Precedence)

  private func grouped(_ printed: Printed, atLeast minimum: Precedence) -> String {
    printed.precedence < minimum ? "(\(printed.text))" : printed.text
  }

  // MARK: Indices

  mutating func text(_ index: Index) -> String { print(index).text }

  /// `base + index`, without `+ 0`.
  mutating func address(_ pointer: Pointer, _ index: Index) -> String {
    let base = names(pointer.name)
    if index == .constant(0) { return base }
    return "\(base) + \(grouped(print(index), atLeast: .sum))"
  }

  private mutating func print(_ index: Index) -> Printed {
    switch index {
    case .constant(let value): return ("\(value)", value < 0 ? .prefix : .atom)
    case .variable(let name): return (name, .atom)
    case .stride(let buffer): return (CNames.stride(of: names(buffer)), .atom)
    case .sum(let left, let right):
      let first = grouped(print(left), atLeast: .sum)
      return ("\(first) + \(grouped(print(right), atLeast: .product))", .sum)
    case .product(let left, let right):
      let first = grouped(print(left), atLeast: .product)
      return ("\(first) * \(grouped(print(right), atLeast: .prefix))", .product)
    }
  }

  /// A name, or the current row's element if a tile has several.
  mutating func element(_ name: String) -> String {
    names(name) + (tileNames.contains(name) ? "[row - first]" : "")
  }

  // MARK: Values

  /// The expression as C.
  mutating func text(_ expression: LoopExpr) -> String { print(expression).text }

  /// The expression as a vector, broadcast if it is a scalar.
  mutating func vectorText(_ expression: LoopExpr) -> String {
    expression.isVector ? text(expression) : "broadcast(\(text(expression)))"
  }

  private mutating func print(_ expression: LoopExpr) -> Printed {
    switch expression {
    case .vector(let name), .scalar(let name):
      return (element(name), .atom)
    case .constant(let value):
      return (CExpression.literal(value), value.sign == .minus ? .prefix : .atom)
    case .load(let pointer, let index, let lanes):
      let place = address(pointer, index)
      switch lanes {
      case .all: return ("load_\(pointer.storage.rawValue)(\(place))", .atom)
      case .first(let count):
        return ("load_\(pointer.storage.rawValue)_first(\(place), \(count))", .atom)
      }
    case .loadScalar(let pointer, let index):
      let element = "\(names(pointer.name))[\(text(index))]"
      switch pointer.storage {
      case .f32: return (element, .atom)
      case .bf16, .f16, .i8:
        return ("float_from_\(pointer.storage.rawValue)(\(element))", .atom)
      }
    case .apply(let op, let operands):
      return apply(op, operands, isVector: expression.isVector)
    case .rounded(let type, let operand):
      switch type {
      case .f32: return print(operand)
      case .bf16, .f16, .i8:
        let suffix = operand.isVector ? "" : "_scalar"
        return ("round_\(type.rawValue)\(suffix)(\(text(operand)))", .atom)
      }
    case .leading(let operand, let count):
      return ("keep_first(\(vectorText(operand)), broadcast(0.0f), \(count))", .atom)
    case .combined(let reduction, let partials):
      return ("\(CExpression.combiner(reduction))(\(names(partials)))", .atom)
    }
  }

  private mutating func apply(
    _ op: ElementwiseOp, _ operands: [LoopExpr], isVector: Bool
  ) -> Printed {
    switch op {
    case .add: return infix("+", operands, .sum)
    case .subtract: return infix("-", operands, .sum)
    case .multiply: return infix("*", operands, .product)
    case .divide: return infix("/", operands, .product)
    case .negate: return ("-" + grouped(print(operands[0]), atLeast: .atom), .prefix)
    case .selectGreater:
      if isVector {
        let all = operands.map { vectorText($0) }
        return ("select(\(all[0]) > \(all[1]), \(all[2]), \(all[3]))", .atom)
      }
      let all = operands.map { grouped(print($0), atLeast: .sum) }
      return ("\(all[0]) > \(all[1]) ? \(all[2]) : \(all[3])", .conditional)
    case .absolute: return call("absolute", operands, isVector)
    case .binade: return call("binade", operands, isVector)
    case .squareRoot: return call("square_root", operands, isVector)
    case .maximum: return call("maximum", operands, isVector)
    case .minimum: return call("minimum", operands, isVector)
    case .multiplyAdd: return call("multiply_add", operands, isVector)
    case .exp, .log, .tanh, .erf, .sigmoid:
      let vector = "vec_\(op.rawValue)(\(vectorText(operands[0])))"
      return (isVector ? vector : "first_lane(\(vector))", .atom)
    }
  }

  private mutating func call(
    _ function: String, _ operands: [LoopExpr], _ isVector: Bool
  ) -> Printed {
    let arguments = operands.map { isVector ? vectorText($0) : text($0) }
    return ("\(function)\(isVector ? "" : "_scalar")(\(arguments.joined(separator: ", ")))", .atom)
  }

  private mutating func infix(
    _ symbol: String, _ operands: [LoopExpr], _ level: Precedence
  ) -> Printed {
    let left = grouped(print(operands[0]), atLeast: level)
    let right = grouped(print(operands[1]), atLeast: level.tighter)
    return ("\(left) \(symbol) \(right)", level)
  }

  /// The function that combines 64 partials.
  static func combiner(_ reduction: Reduction) -> String {
    switch reduction {
    case .sum, .mean: "sum_partials"
    case .max: "max_partials"
    case .min: "min_partials"
    }
  }

  /// The shortest literal that reads back as `value`.
  static func literal(_ value: Float) -> String {
    if value.isInfinite { return value < 0 ? "-__builtin_inff()" : "__builtin_inff()" }
    return "\(value)f"
  }
}
