import NormGenIR

/// Derivatives of elementary functions, to a few units in the last place wherever they are normal, and
/// without NaN for any argument but NaN.
///
/// They are made of e^−|x|, which neither overflows nor cancels. Made of the function's own value,
/// as y · (1 − y) or 1 − y², they would lose all digits where the function saturates.
extension Tensor {
  /// The derivative of the logistic function, e^−|x| / (1 + e^−|x|)².
  var logisticSlope: Tensor {
    let tail = (-absolute()).exp()
    let sum = tail + 1
    return tail / (sum * sum)
  }

  /// The derivative of the hyperbolic tangent, 4 · e^−2|x| / (1 + e^−2|x|)².
  var tanhSlope: Tensor {
    let tail = (absolute() * -2).exp()
    let sum = tail + 1
    return (tail * 4) / (sum * sum)
  }

  /// The derivative of the error function, 2/√π · e^−x².
  var erfSlope: Tensor {
    absolute().minimum(.constant(11)).gaussian(halved: false)
      * Float(2 / Double.pi.squareRoot())
  }

  /// e^−x², or e^−x²/2, of a value whose square is finite.
  ///
  /// The square is taken without error, as a sum of two numbers: what it loses would be multiplied by
  /// as much as the exponent is large.
  func gaussian(halved: Bool) -> Tensor {
    let scale: Float = halved ? -0.5 : -1
    let square = self * self
    let lost = multiplyAdd(self, -square)
    let value = (square * scale).exp()
    return value.multiplyAdd(lost * scale, value)
  }
}
