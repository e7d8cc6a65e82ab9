/// A real number and a bound on how far a kernel's Float32 may be from it.
///
/// The arithmetic is running error analysis: each operation takes everything its operands may be,
/// computes in Float64, and adds the rounding of the Float32 operation and of the Float64
/// evaluation itself. A bound of zero means that the kernel holds exactly this value. Infinity and
/// NaN are exact; a bound of infinity says nothing (``isVacuous``) and appears only where a
/// kernel's result may or may not overflow or be NaN.
///
/// Beside the bound it keeps a number that the kernel's value is never below, such as 0 for a sum of
/// squares: value − error may lie far below it, where a root has no value. Two are equal whose value
/// and bound are.
public struct Bounded: Hashable, Sendable {
  /// The value in Float64.
  public var value: Double
  /// The bound on |kernel − value|.
  public var error: Double
  /// A Float32 that the kernel's value is not below, unless it is NaN; −∞ if none is known.
  private(set) var floor = -Double.infinity

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
  var low: Double { Swift.max(value - error, floor) }
  var high: Double { value + error }

  /// A Float32 that the kernel's value is not below: itself if it is exact.
  var least: Double { error == 0 && !value.isNaN ? value : floor }

  /// Whether value and kernel are certainly on one side of 0.
  private var hasSign: Bool { value > 0 && low > 0 || value < 0 && high < 0 }

  public static func == (left: Bounded, right: Bounded) -> Bool {
    left.value == right.value && left.error == right.error
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(value)
    hasher.combine(error)
  }

  /// The same, known not to be below what the kernel makes of a real number by rounding.
  ///
  /// Rounding to nearest is monotone, so a lower bound of the operation rounds to one of its result.
  func notBelow(_ real: Double) -> Bounded {
    guard error > 0, !real.isNaN else { return self }
    let rounded = Float(real)
    var result = self
    // Float64 may have rounded the real number up, but not to a Float32.
    result.floor = Double(Double(rounded) == real ? rounded : rounded.nextDown)
    return result
  }

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
    let sum = left.value + right.value
    if let special = special(left, right, sum, isCertain: true) { return special }
    // A sum of two floats that is denormal is exact.
    return rounded(sum, spread: left.error + right.error, underflows: false)
      .notBelow(left.least + right.least)
  }

  static func - (left: Bounded, right: Bounded) -> Bounded { left + (-right) }

  static prefix func - (operand: Bounded) -> Bounded {
    Bounded(-operand.value, error: operand.error)
  }

  static func * (left: Bounded, right: Bounded) -> Bounded {
    let product = left.value * right.value
    if let special = specialProduct(left, right, product) { return special }
    let result = rounded(product, spread: productSpread(left, right))
    return left.least >= 0 && right.least >= 0 ? result.notBelow(left.least * right.least) : result
  }

  /// The product with itself, which is never negative.
  var squared: Bounded { (self * self).notBelow(0) }

  private static func specialProduct(
    _ left: Bounded, _ right: Bounded, _ product: Double
  ) -> Bounded? {
    // Infinity times what may be zero, or of either sign, may be anything.
    special(
      left, right, product,
      isCertain: [left, right].allSatisfy { $0.error == 0 || $0.hasSign })
  }

  private static func productSpread(_ left: Bounded, _ right: Bounded) -> Double {
    let spread =
      abs(left.value) * right.error + abs(right.value) * left.error + left.error * right.error
    return spread * (1 + 0x1p-50)
  }

  static func / (left: Bounded, right: Bounded) -> Bounded {
    let quotient = left.value / right.value
    // A number by infinity is zero whatever it is; infinity by a number has both signs.
    let isCertain = right.value.isInfinite || right.error == 0 || right.hasSign
    if let special = special(left, right, quotient, isCertain: isCertain) { return special }
    let least = right.high < 0 ? -right.high : right.low
    // A divisor of zero gives infinity or NaN by the dividend; one that may be zero, anything.
    if least <= 0 {
      let isExact = right.error == 0 && (left.error == 0 || left.hasSign)
      return Bounded(quotient, error: isExact ? 0 : .infinity)
    }
    guard quotient.isFinite else { return Bounded(quotient, error: .infinity) }
    let spread = (left.error + abs(quotient) * right.error) / least * (1 + 0x1p-50)
    let result = rounded(quotient, spread: spread)
    return left.least >= 0 && right.low > 0 ? result.notBelow(0) : result
  }

  /// self · factor + addend, rounded once.
  ///
  /// - Parameter isSquare: Whether `factor` is the same value, not just one as large.
  func multiplyAdd(_ factor: Bounded, _ addend: Bounded, isSquare: Bool = false) -> Bounded {
    let product = value * factor.value
    let sum = addend.value.addingProduct(value, factor.value)
    if !value.isFinite || !factor.value.isFinite || !addend.value.isFinite {
      // The product's class decides first, then the sum's.
      let first = Bounded.specialProduct(self, factor, product) ?? Bounded(product)
      return Bounded.special(first, addend, first.value + addend.value, isCertain: true) ?? first
    }
    guard error.isFinite, factor.error.isFinite, addend.error.isFinite else {
      return Bounded(sum, error: .infinity)
    }
    let spread = Bounded.productSpread(self, factor) + addend.error
    let result = Bounded.rounded(sum, spread: spread)
    if least >= 0, factor.least >= 0 {
      return result.notBelow(addend.least.addingProduct(least, factor.least))
    }
    return isSquare ? result.notBelow(addend.least) : result
  }

  func squareRoot() -> Bounded {
    if value.isNaN { return self }
    if isVacuous { return Bounded(value.squareRoot(), error: .infinity) }
    // The root of −0 is −0.
    if value == .infinity || (value == 0 && error == 0) { return self }
    if high < 0 { return Bounded(.nan) }
    let nearest = Swift.max(value, low, 0)
    let root = nearest.squareRoot()
    if low < 0 { return Bounded(root, error: .infinity) }
    if error == 0 { return .rounded(root, spread: 0) }
    // √v − √l and √h − √v, the second also where v is below 0.
    let below = low.squareRoot()
    let spread = Swift.max(
      root > 0 ? (nearest - low) / (root + below) : 0, Swift.max(high, 0).squareRoot() - root)
    return .rounded(root, spread: spread * (1 + 0x1p-50) + root * 0x1p-50)
      .notBelow(below * (1 - 0x1p-50))
  }

  /// The result if an operand is infinite, NaN or unknown; nil for finite ones with finite bounds.
  ///
  /// - Parameter isCertain: Whether a finite operand's bound leaves infinity's class as it is.
  private static func special(
    _ left: Bounded, _ right: Bounded, _ result: Double, isCertain: Bool
  ) -> Bounded? {
    if left.isCertainlyNaN || right.isCertainlyNaN { return Bounded(.nan) }
    if left.isVacuous || right.isVacuous { return Bounded(result, error: .infinity) }
    if left.value.isFinite && right.value.isFinite { return nil }
    return Bounded(result, error: isCertain ? 0 : .infinity)
  }

  // MARK: Order

  func absolute() -> Bounded {
    let result = Bounded(abs(value), error: error)
    return result.notBelow(Swift.max(least, 0))
  }

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
      .notBelow(Swift.max(least, other.least))
  }

  func minimum(_ other: Bounded) -> Bounded {
    let result = -((-self).maximum(-other))
    return result.isVacuous ? result : result.notBelow(Swift.min(least, other.least))
  }

  /// `greater` where self > threshold, else `otherwise`; both where the comparison is uncertain.
  func select(
    ifGreaterThan threshold: Bounded, _ greater: Bounded, else otherwise: Bounded
  ) -> Bounded {
    if isCertainlyNaN || threshold.isCertainlyNaN { return otherwise }
    let isKnown = !isVacuous && !threshold.isVacuous
    if isKnown, low > threshold.high { return greater }
    if isKnown, high <= threshold.low { return otherwise }
    let isGreater = value > threshold.value
    let chosen = isGreater ? greater : otherwise
    let other = isGreater ? otherwise : greater
    if chosen.isCertainlyNaN, other.isCertainlyNaN { return Bounded(.nan) }
    let distance = abs(other.value - chosen.value)
    guard distance.isFinite else {
      return other.value == chosen.value ? chosen : Bounded(chosen.value, error: .infinity)
    }
    return Bounded(chosen.value, error: Swift.max(chosen.error, distance + other.error))
      .notBelow(Swift.min(greater.least, otherwise.least))
  }
}
