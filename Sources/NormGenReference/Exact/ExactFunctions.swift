public import NormGenIR

/// The elementary functions to the bit, as the numeric contract defines them.
///
/// Written from the definitions in the article on the numeric contract, one argument at a time, in
/// Float32 with explicit fused multiply-adds.
public enum ExactFunctions {
  /// The value of a function.
  public static func value(_ function: ElementaryFunction, of x: Float) -> Float {
    switch function {
    case .exp: exp(x)
    case .log: log(x)
    case .tanh: tanh(x)
    case .erf: erf(x)
    case .sigmoid: sigmoid(x)
    }
  }

  // MARK: The exponential function

  /// eˣ = fraction · 2^exponent.
  private struct Exponential {
    let fraction: Float
    let exponent: Int32

    /// - Parameter x: Of a magnitude that the rounding constant can hold, or NaN.
    init(_ x: Float) {
      // The last bits of this sum are x / log 2, rounded to a whole number.
      let shifted = Float(0x1.8p23).addingProduct(x, 0x1.715476p0)
      let whole = shifted - 0x1.8p23
      let high = x.addingProduct(whole, -0x1.62e43p-1)
      let rest = high.addingProduct(whole, 0x1.05c61p-29)
      var series: Float = 0x1.6ac782p-10
      series = Float(0x1.123de2p-7).addingProduct(series, rest)
      series = Float(0x1.555858p-5).addingProduct(series, rest)
      series = Float(0x1.55548cp-3).addingProduct(series, rest)
      series = Float(0x1.fffffcp-2).addingProduct(series, rest)
      series = Float(1).addingProduct(series, rest)
      fraction = Float(1).addingProduct(series, rest)
      exponent = Int32(bitPattern: shifted.bitPattern &- Float(0x1.8p23).bitPattern)
    }

    /// 2ⁿ by its exponent field, for −127 < n < 128; what other n give is multiplied by NaN only.
    static func power(_ n: Int32) -> Float {
      Float(bitPattern: UInt32(bitPattern: n &+ 127) << 23)
    }

    /// The value in one multiplication, which must not leave the normal range.
    var inRange: Float { fraction * Exponential.power(exponent) }

    /// The value in two multiplications, of which only the last one rounds.
    var full: Float {
      let half = exponent >> 1
      return fraction * Exponential.power(half) * Exponential.power(exponent &- half)
    }
  }

  static func exp(_ x: Float) -> Float {
    // Beyond lie only zero and infinity.
    if x > 89 { return Exponential(89).full }
    if x < -104 { return Exponential(-104).full }
    return Exponential(x).full
  }

  // MARK: The others

  static func log(_ x: Float) -> Float {
    if x.isNaN { return x }
    if x < 0 { return .nan }
    if x == 0 { return -.infinity }
    if x == .infinity { return x }
    let isDenormal = x < 0x1p-126
    let normal = isDenormal ? x * 0x1p23 : x
    // x = m · 2ⁿ with 2/3 ≤ m < 4/3: the exponent counts from the bits of 2/3.
    let twoThirds: UInt32 = 0x3f2a_aaab
    let distance = normal.bitPattern &- twoThirds
    var n = Float(Int32(bitPattern: distance) >> 23)
    if isDenormal { n -= 23 }
    let m = Float(bitPattern: (distance & 0x7f_ffff) &+ twoThirds)
    let f = m - 1
    var series: Float = -0x1.0915bp-3
    series = Float(0x1.1e8c8ap-3).addingProduct(series, f)
    series = Float(-0x1.f29adap-4).addingProduct(series, f)
    series = Float(0x1.1ecf9ap-3).addingProduct(series, f)
    series = Float(-0x1.55a192p-3).addingProduct(series, f)
    series = Float(0x1.99d088p-3).addingProduct(series, f)
    series = Float(-0x1.fffedep-3).addingProduct(series, f)
    series = Float(0x1.555506p-2).addingProduct(series, f)
    series = Float(-0.5).addingProduct(series, f)
    let fraction = f.addingProduct(f * f, series)
    let low = fraction.addingProduct(n, -0x1.05c61p-29)
    return low.addingProduct(n, 0x1.62e43p-1)
  }

  static func tanh(_ x: Float) -> Float {
    if x.isNaN { return x }
    let t = x.magnitude
    let magnitude: Float
    if t < 0.625 {
      let s = t * t
      var series: Float = 0x1.1a2816p-9
      series = Float(-0x1.0c5edp-7).addingProduct(series, s)
      series = Float(0x1.63a55p-6).addingProduct(series, s)
      series = Float(-0x1.b9f188p-5).addingProduct(series, s)
      series = Float(0x1.11107ap-3).addingProduct(series, s)
      series = Float(-0x1.555554p-2).addingProduct(series, s)
      magnitude = t.addingProduct(t * s, series)
    } else {
      magnitude = 1 - 2 / (Exponential(t > 10 ? 20 : t + t).inRange + 1)
    }
    return Float(signOf: x, magnitudeOf: magnitude)
  }

  static func erf(_ x: Float) -> Float {
    if x.isNaN { return x }
    let t = x.magnitude
    let magnitude: Float
    if t < 0.9375 {
      let s = t * t
      var series: Float = 0x1.98043p-20
      series = Float(0x1.3e539cp-14).addingProduct(series, s)
      series = Float(-0x1.a3e28cp-11).addingProduct(series, s)
      series = Float(0x1.5429dcp-8).addingProduct(series, s)
      series = Float(-0x1.b7ff66p-6).addingProduct(series, s)
      series = Float(0x1.ce2d5cp-4).addingProduct(series, s)
      series = Float(-0x1.81274p-2).addingProduct(series, s)
      series = Float(0x1.06eba8p-3).addingProduct(series, s)
      magnitude = t.addingProduct(series, t)
    } else {
      let u = t > 4 ? 4 : t
      var exponent: Float = 0x1.32092ap-22
      exponent = Float(0x1.27a744p-16).addingProduct(exponent, u)
      exponent = Float(-0x1.b4c566p-12).addingProduct(exponent, u)
      exponent = Float(0x1.0e0092p-8).addingProduct(exponent, u)
      exponent = Float(-0x1.9a1ce8p-6).addingProduct(exponent, u)
      exponent = Float(0x1.bb21d4p-4).addingProduct(exponent, u)
      exponent = Float(0x1.444dd6p-1).addingProduct(exponent, u)
      exponent = Float(0x1.21268cp0).addingProduct(exponent, u)
      exponent = Float(-0x1.684464p-13).addingProduct(exponent, u)
      magnitude = 1 - Exponential(-exponent).inRange
    }
    return Float(signOf: x, magnitudeOf: magnitude)
  }

  static func sigmoid(_ x: Float) -> Float {
    if x.isNaN { return x }
    let z = exp(-x.magnitude)
    let sum = z + 1
    let lost = z - (sum - 1)
    let inverse = 1 / sum
    let numerator: Float = x < 0 ? z : 1
    let quotient = numerator * inverse
    let remainder = numerator.addingProduct(-quotient, sum).addingProduct(-quotient, lost)
    return quotient.addingProduct(remainder, inverse)
  }
}
