package import NormGenIR

/// Scalar operations in Float32, each with the one rounding that the numeric contract gives it.
package enum ExactArithmetic {
  /// a, b where they are equal, NaN where either is NaN.
  package static func maximum(_ a: Float, _ b: Float) -> Float {
    if a.isNaN { return a }
    return a > b ? a : b
  }

  package static func minimum(_ a: Float, _ b: Float) -> Float {
    if a.isNaN { return a }
    return a < b ? a : b
  }

  /// The greatest power of two up to |x| that Float32 holds.
  static func binade(_ x: Float) -> Float {
    if x.isNaN || x == 0 { return x.magnitude }
    if x.isInfinite { return 0x1p127 }
    return Float(sign: .plus, exponent: x.exponent, significand: 1)
  }

  /// What partials of a reduction begin with.
  package static func identity(of reduction: Reduction) -> Float {
    switch reduction {
    case .sum, .mean: 0
    case .max: -.infinity
    case .min: .infinity
    }
  }

  /// A partial and a term, or two partials, of a reduction.
  package static func combined(_ a: Float, _ b: Float, by reduction: Reduction) -> Float {
    switch reduction {
    case .sum, .mean: a + b
    case .max: maximum(a, b)
    case .min: minimum(a, b)
    }
  }

  /// An operation of the graph on as many operands as it has.
  package static func value(of op: ElementwiseOp, _ x: [Float]) -> Float {
    switch op {
    case .add: x[0] + x[1]
    case .subtract: x[0] - x[1]
    case .multiply: x[0] * x[1]
    case .divide: x[0] / x[1]
    case .negate: -x[0]
    case .absolute: x[0].magnitude
    case .binade: binade(x[0])
    case .squareRoot: x[0].squareRoot()
    case .maximum: maximum(x[0], x[1])
    case .minimum: minimum(x[0], x[1])
    case .multiplyAdd: x[2].addingProduct(x[0], x[1])
    case .selectGreater: x[0] > x[1] ? x[2] : x[3]
    case .exp: ExactFunctions.exp(x[0])
    case .log: ExactFunctions.log(x[0])
    case .tanh: ExactFunctions.tanh(x[0])
    case .erf: ExactFunctions.erf(x[0])
    case .sigmoid: ExactFunctions.sigmoid(x[0])
    }
  }

  // MARK: Rounding to storage types

  /// The value of a storage type nearest to a Float32, as Float32; ties to even.
  package static func rounded(_ x: Float, to type: DType) -> Float {
    switch type {
    case .f32: return x
    case .bf16: return rounded(x, significandBits: 7, leastExponent: -126, greatest: 0x1.fep127)
    case .f16: return rounded(x, significandBits: 10, leastExponent: -14, greatest: 65504)
    case .f8E4M3:
      return rounded(x, significandBits: 3, leastExponent: -6, greatest: 448, beyond: .nan)
    case .f8E5M2: return rounded(x, significandBits: 2, leastExponent: -14, greatest: 57344)
    case .i8: return rounded(x, toIntegersFrom: -128, to: 127)
    case .u8: return rounded(x, toIntegersFrom: 0, to: 255)
    }
  }

  private static func rounded(_ x: Float, toIntegersFrom least: Float, to greatest: Float) -> Float
  {
    if x.isNaN { return 0 }
    // The sum with zero makes −0 a +0.
    return min(max(x, least), greatest).rounded(.toNearestOrEven) + 0
  }

  /// Rounds to a format by adding and subtracting a number so large that the sum ends where the
  /// format's significand does.
  ///
  /// In Float64, so that neither step rounds anything else or leaves the range.
  private static func rounded(
    _ x: Float, significandBits: Int, leastExponent: Int, greatest: Float, beyond: Float = .infinity
  ) -> Float {
    if x.isNaN || x == 0 { return x }
    guard x.isFinite else { return Float(signOf: x, magnitudeOf: beyond) }
    let exponent = max(Int(x.exponent), leastExponent)
    let anchor = Double(sign: .plus, exponent: exponent - significandBits + 52, significand: 1.5)
    let nearest = Float(Double(x.magnitude) + anchor - anchor)
    return Float(signOf: x, magnitudeOf: nearest > greatest ? beyond : nearest)
  }

  /// The stored bits of a value that the type holds.
  static func bits(of x: Float, as type: DType) -> UInt32 {
    switch type {
    case .f32: return x.bitPattern
    case .bf16: return x.isNaN ? 0x7fc0 : x.bitPattern >> 16
    case .f16:
      if x.isNaN { return 0x7e00 }
      let sign: UInt32 = x.sign == .minus ? 0x8000 : 0
      if x.isInfinite { return sign | 0x7c00 }
      // Multiplied by this, a value of binary16 has its exponent and fraction where they belong.
      return sign | (x.magnitude * 0x1p-112).bitPattern >> 13
    case .f8E4M3:
      if x.isNaN { return 0x7f }
      return (x.sign == .minus ? 0x80 : 0) | (x.magnitude * 0x1p-120).bitPattern >> 20
    case .f8E5M2:
      if x.isNaN { return 0x7e }
      return bits(of: x, as: .f16) >> 8
    case .i8: return UInt32(UInt8(bitPattern: Int8(x)))
    case .u8: return UInt32(x)
    }
  }

  /// The Float32 that stored bits widen to.
  package static func value(ofBits bits: UInt32, as type: DType) -> Float {
    switch type {
    case .f32: return Float(bitPattern: bits)
    case .bf16: return Float(bitPattern: bits << 16)
    case .f16:
      let magnitude = bits & 0x7fff
      let value: Float =
        magnitude >= 0x7c00
        ? (magnitude > 0x7c00 ? .nan : .infinity) : Float(bitPattern: magnitude << 13) * 0x1p112
      return bits & 0x8000 == 0 ? value : -value
    case .f8E4M3:
      let magnitude = bits & 0x7f
      let value = magnitude == 0x7f ? .nan : Float(bitPattern: magnitude << 20) * 0x1p120
      return bits & 0x80 == 0 ? value : -value
    case .f8E5M2: return value(ofBits: bits << 8, as: .f16)
    case .i8: return Float(Int8(truncatingIfNeeded: bits))
    case .u8: return Float(bits)
    }
  }
}
