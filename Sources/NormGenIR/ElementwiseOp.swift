/// The scalar operations that an elementwise value may apply; a closed set.
///
/// All take and give Float32. Everything but the elementary functions is correctly rounded.
public enum ElementwiseOp: String, CaseIterable, Sendable, Hashable {
  /// a + b.
  case add
  /// a − b.
  case subtract
  /// a · b.
  case multiply
  /// a / b.
  case divide
  /// −a.
  case negate
  /// |a|.
  case absolute
  /// The greatest power of two up to |a| that Float32 holds: 2¹²⁷ for infinity, 0 for 0, NaN for NaN.
  case binade
  /// √a, NaN below zero.
  case squareRoot
  /// The larger operand, b if they are equal; NaN if either is NaN.
  case maximum
  /// The smaller operand, b if they are equal; NaN if either is NaN.
  case minimum
  /// a · b + c with one rounding.
  case multiplyAdd
  /// c where a > b, else d; a NaN in the comparison selects d.
  case selectGreater
  /// eᵃ.
  case exp
  /// The natural logarithm.
  case log
  /// The hyperbolic tangent.
  case tanh
  /// The error function.
  case erf
  /// The logistic function 1 / (1 + e⁻ᵃ).
  case sigmoid

  /// The number of operands.
  public var arity: Int {
    switch self {
    case .negate, .absolute, .binade, .squareRoot, .exp, .log, .tanh, .erf, .sigmoid: 1
    case .add, .subtract, .multiply, .divide, .maximum, .minimum: 2
    case .multiplyAdd: 3
    case .selectGreater: 4
    }
  }

  /// The operation as an elementary function, if it is one.
  public var elementaryFunction: ElementaryFunction? {
    switch self {
    case .exp: .exp
    case .log: .log
    case .tanh: .tanh
    case .erf: .erf
    case .sigmoid: .sigmoid
    case .add, .subtract, .multiply, .divide, .negate, .absolute, .binade, .squareRoot, .maximum,
      .minimum, .multiplyAdd, .selectGreater:
      nil
    }
  }

  /// Whether it is neither a division nor a root nor an elementary function.
  public var isPlain: Bool {
    elementaryFunction == nil && self != .divide && self != .squareRoot
  }

  /// The name in the text form of those operations that are written as calls.
  public var functionName: String? {
    switch self {
    case .add, .subtract, .multiply, .divide, .negate: nil
    case .absolute: "abs"
    case .squareRoot: "sqrt"
    case .maximum: "max"
    case .minimum: "min"
    case .multiplyAdd: "fma"
    case .selectGreater: "select"
    case .binade, .exp, .log, .tanh, .erf, .sigmoid: rawValue
    }
  }
}

/// A function that is computed by a polynomial of ours, the same operations on every target.
public enum ElementaryFunction: String, CaseIterable, Sendable, Hashable {
  case exp, log, tanh, erf, sigmoid
}
