private import Foundation
import NormGenIR
import NormGenTensors

/// A real number and a bound on how far a kernel's Float32 may be from it.
///
/// The arithmetic is running error analysis: each operation takes everything its operands may be,
/// computes in Float64, and adds the rounding of the Float32 operation and of the Float64
/// evaluation itself. A bound of zero means that the kernel holds exactly this value. Infinity and
/// NaN are exact; a bound of infinity says nothing (``isVacuous``) and appears only where a
/// kernel's result may or may not overflow or be NaN.
public struct Bounded: Hashable, Sendable {
  /// The value in Float64.
  public var value: Double
  /// The bound on |kernel − value|.
  public var error: Double

  /// A value with a bound.
  public init(_ value: Double, error: Double = 0) {
    self.value = value
    self.error = error
  }

  /// Whether the bound says nothing.
  public var isVacuous: Bool { error == .infinity }

  /// Whether the kernel holds NaN whatever its roundings were.
  var isCertainlyNaN: Bool { value.isNaN && !isVacuous }

  /// From here on rounding to nearest gives infinity: 2¹²⁸ − 2¹⁰³.
  static let overflow = 0x1p128 - 0x1p103

  /// The least and the greatest value that the kernel may hold.
  var low: Double { value - error }
  var high: Double { value + error }

  /// A result of one Float32 operation.
  ///
  /// - Parameters:
  ///   - value: The real result for the operands' values.
  ///   - spread: A bound on how far the operands' errors move it.
  ///   - underflows: Whether the operation can lose bits below the normal range.
  static func rounded(_ value: Double, spread: Double, underflows: Bool = true) -> Bounded {
    if value.isNaN { return Bounded(.nan, error: spread.isFinite ? 0 : .infinity) }
    if value.isInfinite {
      return spread.isFinite ? Bounded(value) : Bounded(value, error: .infinity)
    }
    guard spread.isFinite else { return Bounded(value, error: .infinity) }
    if spread == 0, Double(Float(value)) == value { return Bounded(value) }
    // The evaluation in Float64 is off by a few of its own units.
    let evaluation = abs(value) * 0x1p-51
    let reach = abs(value) + spread + evaluation
    if reach >= overflow {
      return abs(value) - spread - evaluation >= overflow
        ? Bounded(value < 0 ? -.infinity : .infinity) : Bounded(value, error: .infinity)
    }
    let rounding = spacing(at: reach) / 2
    let loss = underflows || reach >= 0x1p-126 ? rounding : 0
    return Bounded(value, error: spread + evaluation + loss)
  }

  /// The distance of neighbouring Float32 values at a magnitude.
  static func spacing(at magnitude: Double) -> Double {
    let exponent = magnitude < 0x1p-126 ? -126 : Int(magnitude.exponent)
    return Double(sign: .plus, exponent: exponent - 23, significand: 1)
  }

  // MARK: Arithmetic

  static func + (left: Bounded, right: Bounded) -> Bounded {
    if let special = special(left, right, left.value + right.value) { return special }
    // A sum of two floats that is denormal is exact.
    return rounded(left.value + right.value, spread: left.error + right.error, underflows: false)
  }

  static func - (left: Bounded, right: Bounded) -> Bounded { left + (-right) }

  static prefix func - (operand: Bounded) -> Bounded {
    Bounded(-operand.value, error: operand.error)
  }

  static func * (left: Bounded, right: Bounded) -> Bounded {
    if let special = special(left, right, left.value * right.value) { return special }
    return rounded(left.value * right.value, spread: productSpread(left, right))
  }

  private static func productSpread(_ left: Bounded, _ right: Bounded) -> Double {
    let spread =
      abs(left.value) * right.error + abs(right.value) * left.error + left.error * right.error
    return spread * (1 + 0x1p-50)
  }

  static func / (left: Bounded, right: Bounded) -> Bounded {
    if let special = special(left, right, left.value / right.value) { return special }
    let least = abs(right.value) - right.error
    // A divisor of zero gives infinity or NaN by the dividend; one that may be zero, anything.
    if least <= 0 {
      let isExact = right.error == 0 && left.error == 0
      return Bounded(left.value / right.value, error: isExact ? 0 : .infinity)
    }
    let quotient = left.value / right.value
    let spread = (left.error + abs(quotient) * right.error) / least * (1 + 0x1p-50)
    return rounded(quotient, spread: spread)
  }

  /// self · factor + addend, rounded once.
  func multiplyAdd(_ factor: Bounded, _ addend: Bounded) -> Bounded {
    let product = value * factor.value
    let sum = addend.value.addingProduct(value, factor.value)
    if !value.isFinite || !factor.value.isFinite || !addend.value.isFinite {
      // The product's class decides first, then the sum's.
      guard let first = Bounded.special(self, factor, product) else {
        return Bounded.special(Bounded(product), addend, sum) ?? Bounded(sum)
      }
      return Bounded.special(first, addend, first.value + addend.value) ?? first
    }
    guard error.isFinite, factor.error.isFinite, addend.error.isFinite else {
      return Bounded(sum, error: .infinity)
    }
    let spread = Bounded.productSpread(self, factor) + addend.error
    return .rounded(sum, spread: spread)
  }

  func squareRoot() -> Bounded {
    if value.isNaN { return self }
    if isVacuous { return Bounded(value.squareRoot(), error: .infinity) }
    // The root of −0 is −0.
    if value == .infinity || (value == 0 && error == 0) { return self }
    if high < 0 { return Bounded(.nan) }
    let root = max(value, 0).squareRoot()
    if low < 0 { return Bounded(root, error: .infinity) }
    // √v − √(v − e) is the larger of the two distances.
    let spread = error == 0 ? 0 : error / (root + max(low, 0).squareRoot())
    return .rounded(root, spread: spread * (1 + 0x1p-50))
  }

  /// The result if an operand is infinite, NaN or unknown; nil for finite ones with finite bounds.
  private static func special(_ left: Bounded, _ right: Bounded, _ result: Double) -> Bounded? {
    if left.isCertainlyNaN || right.isCertainlyNaN { return Bounded(.nan) }
    if left.isVacuous || right.isVacuous { return Bounded(result, error: .infinity) }
    if left.value.isFinite && right.value.isFinite { return nil }
    // An operand that may be zero or of either sign makes infinity's class uncertain.
    let isUncertain = [left, right].contains { operand in
      operand.value.isFinite && operand.error > 0 && abs(operand.value) <= operand.error
    }
    return Bounded(result, error: isUncertain ? .infinity : 0)
  }

  // MARK: Order

  func absolute() -> Bounded { Bounded(abs(value), error: error) }

  /// The greater of two, the second of equal ones; what either may be stays inside the larger of the
  /// two bounds.
  func maximum(_ other: Bounded) -> Bounded {
    if isCertainlyNaN || other.isCertainlyNaN { return Bounded(.nan) }
    if isVacuous || other.isVacuous {
      return Bounded(Swift.max(value, other.value), error: .infinity)
    }
    if other.low >= high { return other }
    if low > other.high || (low == other.high && low != 0) { return self }
    // Also a zero whose sign depends on the roundings.
    return Bounded(Swift.max(value, other.value), error: Swift.max(error, other.error))
  }

  func minimum(_ other: Bounded) -> Bounded { -((-self).maximum(-other)) }

  /// `greater` where self > threshold, else `otherwise`; both where the comparison is uncertain.
  func select(
    ifGreaterThan threshold: Bounded, _ greater: Bounded, else otherwise: Bounded
  ) -> Bounded {
    if isCertainlyNaN || threshold.isCertainlyNaN { return otherwise }
    if isVacuous || threshold.isVacuous { return Bounded(greater.value, error: .infinity) }
    if low > threshold.high { return greater }
    if high <= threshold.low { return otherwise }
    let chosen = value > threshold.value ? greater : otherwise
    let other = value > threshold.value ? otherwise : greater
    let distance = abs(other.value - chosen.value)
    guard distance.isFinite else {
      return other.value == chosen.value ? chosen : Bounded(chosen.value, error: .infinity)
    }
    return Bounded(chosen.value, error: Swift.max(chosen.error, distance + other.error))
  }

  // MARK: Elementary functions and rounding

  /// A monotone function, known to `function.ulpBound` units in the last place.
  func applying(_ function: ElementaryFunction) -> Bounded {
    let result = function.value(of: value)
    if isVacuous { return Bounded(result, error: .infinity) }
    if value.isNaN { return Bounded(.nan) }
    let below = function.value(of: low)
    let above = function.value(of: high)
    if below.isNaN || above.isNaN || below.isInfinite != above.isInfinite {
      return result.isNaN && above.isNaN ? Bounded(.nan) : Bounded(result, error: .infinity)
    }
    if result.isInfinite { return Bounded(result) }
    let spread = Swift.max(abs(above - result), abs(result - below))
    let reach = Swift.max(abs(below), abs(above))
    if reach >= Bounded.overflow * (1 - 0x1p-20) {
      return Swift.min(abs(below), abs(above)) >= Bounded.overflow * (1 + 0x1p-20)
        ? Bounded(result < 0 ? -.infinity : .infinity) : Bounded(result, error: .infinity)
    }
    let evaluation = reach * 0x1p-50
    return Bounded(
      result, error: spread + evaluation + function.ulpBound * Bounded.spacing(at: reach))
  }

  /// Rounding to a storage type: nothing is lost where all that the kernel may hold rounds alike.
  func rounded(to type: DType) -> Bounded {
    // A kernel's value is a Float32 already, and the oracle keeps the real one.
    if type == .f32 { return self }
    let nearest = type.rounded(value)
    if type == .i8 { return saturated(nearest) }
    if value.isNaN || value.isInfinite { return self }
    if isVacuous { return Bounded(nearest, error: .infinity) }
    let below = type.rounded(low)
    let above = type.rounded(high)
    if nearest == below, nearest == above { return Bounded(nearest) }
    guard below.isFinite, above.isFinite else { return Bounded(nearest, error: .infinity) }
    return Bounded(nearest, error: Swift.max(above - nearest, nearest - below))
  }
}

extension Bounded {
  /// Rounding to i8, which is certain even of what is not: `nearest` is the rounded value.
  private func saturated(_ nearest: Double) -> Bounded {
    if isVacuous { return Bounded(nearest, error: Swift.max(127 - nearest, nearest + 128)) }
    // NaN gives 0, and infinities have no other value beside them.
    guard value.isFinite else { return Bounded(nearest) }
    let below = DType.i8.rounded(low)
    let above = DType.i8.rounded(high)
    return Bounded(nearest, error: Swift.max(above - nearest, nearest - below))
  }
}

extension ElementaryFunction {
  /// The function in Float64, within a unit or two of its last place.
  func value(of x: Double) -> Double {
    switch self {
    case .exp: Foundation.exp(x)
    case .log: Foundation.log(x)
    case .tanh: Foundation.tanh(x)
    case .erf: Foundation.erf(x)
    case .sigmoid:
      // Both forms are accurate where they are used.
      x >= 0 ? 1 / (1 + Foundation.exp(-x)) : Foundation.exp(x) / (1 + Foundation.exp(x))
    }
  }
}
