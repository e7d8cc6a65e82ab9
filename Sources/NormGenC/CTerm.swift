/// A C expression with how tightly it binds: the one place where parentheses are decided.
///
/// Operators put parentheses around an operand wherever C would read the text in another way, so that
/// the printed text has the operations, and thus the roundings, that the expression was built of.
/// Arithmetic of floating point is never regrouped.
struct CTerm {
  /// How tightly an expression binds, the loosest first.
  enum Binding: Int, Comparable {
    case conditional, conjunction, bitwiseOr, equality, comparison, shift, sum, product, prefix,
      atom

    static func < (left: Binding, right: Binding) -> Bool { left.rawValue < right.rawValue }

    var tighter: Binding { Binding(rawValue: rawValue + 1) ?? .atom }
  }

  let text: String
  let binding: Binding

  private init(_ text: String, _ binding: Binding) {
    self.text = text
    self.binding = binding
  }

  // MARK: Atoms

  /// A name.
  static func name(_ name: String) -> CTerm { CTerm(name, .atom) }

  /// A whole number.
  static func number(_ value: Int) -> CTerm { CTerm("\(value)", value < 0 ? .prefix : .atom) }

  /// The shortest Float32 literal that reads back as `value`.
  static func literal(_ value: Float) -> CTerm {
    let text = value.isInfinite ? "__builtin_inff()" : "\(value.magnitude)f"
    return value.sign == .minus ? CTerm("-\(text)", .prefix) : CTerm(text, .atom)
  }

  /// A call of a function or function-like macro.
  static func call(_ function: String, _ arguments: [CTerm]) -> CTerm {
    CTerm("\(function)(\(arguments.map(\.text).joined(separator: ", ")))", .atom)
  }

  /// A vector of zeros.
  static func zeros(of type: String) -> CTerm { CTerm("(\(type)){0}", .atom) }

  /// An array without a name.
  static func array(of type: String, _ elements: [CTerm]) -> CTerm {
    CTerm(
      "(const \(type)[\(elements.count)]){\(elements.map(\.text).joined(separator: ", "))}", .atom)
  }

  /// An element of an array.
  subscript(index: CTerm) -> CTerm { CTerm("\(grouped(.atom))[\(index.text)]", .atom) }

  /// The value as another type.
  func cast(to type: String) -> CTerm { CTerm("(\(type))\(grouped(.prefix))", .prefix) }

  // MARK: Operators

  private func grouped(_ least: Binding) -> String { binding < least ? "(\(text))" : text }

  /// An operator that groups to the left: a right operand that binds as loosely gets parentheses.
  private static func infix(
    _ left: CTerm, _ symbol: String, _ right: CTerm, _ binding: Binding
  ) -> CTerm {
    CTerm("\(left.grouped(binding)) \(symbol) \(right.grouped(binding.tighter))", binding)
  }

  static func + (left: CTerm, right: CTerm) -> CTerm { infix(left, "+", right, .sum) }
  static func - (left: CTerm, right: CTerm) -> CTerm { infix(left, "-", right, .sum) }
  static func * (left: CTerm, right: CTerm) -> CTerm { infix(left, "*", right, .product) }
  static func / (left: CTerm, right: CTerm) -> CTerm { infix(left, "/", right, .product) }
  static func % (left: CTerm, right: CTerm) -> CTerm { infix(left, "%", right, .product) }
  static func << (left: CTerm, right: CTerm) -> CTerm { infix(left, "<<", right, .shift) }
  static func | (left: CTerm, right: CTerm) -> CTerm { infix(left, "|", right, .bitwiseOr) }
  static func && (left: CTerm, right: CTerm) -> CTerm { infix(left, "&&", right, .conjunction) }
  static func > (left: CTerm, right: CTerm) -> CTerm { infix(left, ">", right, .comparison) }
  static func < (left: CTerm, right: CTerm) -> CTerm { infix(left, "<", right, .comparison) }
  static func <= (left: CTerm, right: CTerm) -> CTerm { infix(left, "<=", right, .comparison) }
  static func >= (left: CTerm, right: CTerm) -> CTerm { infix(left, ">=", right, .comparison) }
  static func == (left: CTerm, right: CTerm) -> CTerm { infix(left, "==", right, .equality) }

  /// Two minus signs in a row would be another operator.
  static prefix func - (operand: CTerm) -> CTerm { CTerm("-\(operand.grouped(.atom))", .prefix) }

  /// `self ? yes : no`.
  func choosing(_ yes: CTerm, _ no: CTerm) -> CTerm {
    let tight = Binding.conditional.tighter
    return CTerm("\(grouped(tight)) ? \(yes.grouped(tight)) : \(no.grouped(tight))", .conditional)
  }

  /// A place `index` elements behind this one. Whole numbers may be added in any order, so a sum
  /// needs no parentheses.
  func displaced(by index: CTerm) -> CTerm { CTerm("\(text) + \(index.grouped(.sum))", .sum) }
}
