import NormGenIR

/// Derivatives of the activations, to a few units in the last place of their larger term, and
/// without NaN for any argument but NaN.
///
/// With t = |x| and a tail z that goes to 0 as t grows, each is 1 − q above 0 and q below, or
/// quotients of that kind: what is small is never found as a difference of what is not.
extension Tensor {
  /// The derivative of x · σ(x): (1 + z + t·z)/(1 + z)² above 0 and z·(1 + z − t)/(1 + z)² below, with
  /// z = e⁻ᵗ.
  var siluSlope: Tensor {
    // e⁻²⁵⁶ is 0, and its product with t is, too.
    let magnitude = absolute().minimum(.constant(256))
    return gatedSlope(tailRoot: (magnitude * -0.5).exp(), growth: magnitude)
  }

  /// The derivative of x · Φ(x): 1 − q above 0 and q below, with q = Φ(−t) − t·φ(t).
  ///
  /// Φ(−t) is e^(−t²/2) times a quotient of polynomials, a minimax fit on 0 ≤ t ≤ 14.5 to 2⁻²⁴·⁷ of the
  /// larger of the two terms; at 14.5 the exponential is 0.
  var geluSlope: Tensor {
    let magnitude = absolute().minimum(.constant(16))
    let density = magnitude.gaussian(halved: true)
    let tail =
      magnitude.polynomial([0.5, 0.3404628, 0.10729255, 0.014183991])
      / magnitude.polynomial([1, 1.4788076, 0.8945314, 0.26853823, 0.035566157])
    let factor = magnitude.multiplyAdd(.constant(-0.39894228), tail)
    return select(
      ifGreaterThan: .constant(0), (-density).multiplyAdd(factor, .constant(1)),
      else: density * factor)
  }

  /// The derivative of x · σ(v) with v = x · (a + b·x²), a = 2 · √(2/π), b = 0.044715 · a: that of silu with
  /// z = e^−|v| and t · (a + 3b·t²) in the place of t.
  ///
  /// The exponent is a sum of two numbers, for z has its absolute error as a relative one.
  var geluTanhSlope: Tensor {
    // Past 12 the exponential is 0.
    let magnitude = absolute().minimum(.constant(12))
    let a = 2 * (2 / Double.pi).squareRoot()
    let linear = ExactConstant(a)
    let cubic = ExactConstant(0.044715 * a)
    let square = magnitude * magnitude
    let squareLost = magnitude.multiplyAdd(magnitude, -square)
    let product = square * cubic.value
    let productLost = square.multiplyAdd(.constant(cubic.value), -product)
    let sum = product + linear.value
    let added = sum - product
    let sumLost = (product - (sum - added)) + (linear.value - added)
    let small = squareLost.multiplyAdd(.constant(cubic.value), sumLost + productLost)
    let lost = square.multiplyAdd(.constant(cubic.lost), small) + linear.lost
    let exponent = magnitude * sum
    let exponentLost = magnitude.multiplyAdd(
      lost, magnitude.multiplyAdd(sum, -exponent))
    let tailRoot = (exponent * -0.5).exp()
    return gatedSlope(
      tailRoot: tailRoot.multiplyAdd(exponentLost * -0.5, tailRoot),
      growth: magnitude * product.multiplyAdd(.constant(3), .constant(linear.value)))
  }

  /// (1 + z + w·z)/(1 + z)² above 0 and z·(1 + z − w)/(1 + z)² below, from √z: the product with w of
  /// a z that has lost digits below the normal range would show it.
  private func gatedSlope(tailRoot: Tensor, growth: Tensor) -> Tensor {
    let tail = tailRoot * tailRoot
    let sum = tail + 1
    let numerator = select(
      ifGreaterThan: .constant(0), tail.multiplyAdd(growth, sum),
      else: tailRoot * (tailRoot * (sum - growth)))
    return numerator / (sum * sum)
  }

  /// Horner's scheme with a fused multiply-add for each step, from the constant on.
  private func polynomial(_ coefficients: [Float]) -> Tensor {
    let constants = coefficients.reversed().map { Tensor.constant($0) }
    return constants.dropFirst().reduce(constants[0]) { $0.multiplyAdd(self, $1) }
  }
}

/// A real number as the sum of two of Float32.
private struct ExactConstant {
  let value: Float
  let lost: Float

  init(_ number: Double) {
    value = Float(number)
    lost = Float(number - Double(value))
  }
}
