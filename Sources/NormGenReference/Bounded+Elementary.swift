private import Foundation
import NormGenIR
import NormGenTensors

extension Bounded {
  /// A monotone function, known to `function.ulpBound` units in the last place.
  func applying(_ function: ElementaryFunction) -> Bounded {
    if isVacuous { return Bounded(function.value(of: value), error: .infinity) }
    if value.isNaN { return Bounded(.nan) }
    let result = function.value(of: Swift.max(value, low))
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
    let bounded = Bounded(
      result, error: spread + evaluation + function.ulpBound * Bounded.spacing(at: reach))
    return function.isNonnegative ? bounded.notBelow(0) : bounded
  }

  /// Rounding to a storage type: nothing is lost where all that the kernel may hold rounds alike.
  func rounded(to type: DType) -> Bounded {
    // A kernel's value is a Float32 already, and the oracle keeps the real one.
    if type == .f32 { return self }
    let nearest = type.rounded(value)
    if let integers = type.integers { return saturated(nearest, type, integers) }
    // An infinity is NaN in a type that has none.
    guard value.isFinite, !isVacuous else { return Bounded(nearest, error: error) }
    let below = type.rounded(low)
    let above = type.rounded(high)
    if nearest == below, nearest == above { return Bounded(nearest) }
    // What such a type holds nothing near to, on one side of 0.
    if below.isNaN, above.isNaN, low > 0 || high < 0 { return Bounded(.nan) }
    guard below.isFinite, above.isFinite else { return Bounded(nearest, error: .infinity) }
    return Bounded(nearest, error: Swift.max(above - nearest, nearest - below)).notBelow(below)
  }
}

extension Bounded {
  /// Rounding to integers, which is certain even of what is not: `nearest` is the rounded value.
  private func saturated(
    _ nearest: Double, _ type: DType, _ integers: ClosedRange<Double>
  ) -> Bounded {
    if isVacuous {
      let farthest = Swift.max(integers.upperBound - nearest, nearest - integers.lowerBound)
      return Bounded(nearest, error: farthest)
    }
    // NaN gives 0, and infinities have no other value beside them.
    guard value.isFinite else { return Bounded(nearest) }
    let below = type.rounded(low)
    let above = type.rounded(high)
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
