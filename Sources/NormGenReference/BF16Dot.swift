/// The exact model of the hardware's bf16 dot product, `Matmul.Accumulation.bf16Dot`.
///
/// It was compared with an x86 processor's `vdpbf16ps` on random, cancelling, denormal and special
/// operands; part of that record is in the tests.
public enum BF16Dot {
  /// The accumulator plus the products of a pair.
  ///
  /// The second product is added first. Every step flushes denormal operands and results to zero.
  ///
  /// - Parameters:
  ///   - accumulator: The sum so far.
  ///   - x: The pair of the value, both bf16 values.
  ///   - weights: The pair of the weights, both bf16 values.
  public static func bf16Dot(
    accumulator: Float, _ x: (first: Float, second: Float),
    _ weights: (first: Float, second: Float)
  ) -> Float {
    step(step(accumulator, x.second, weights.second), x.first, weights.first)
  }

  /// The products of two rows of bf16 values of equal count, one block, starting from +0.
  static func block(_ x: ArraySlice<Float>, _ weights: ArraySlice<Float>) -> Float {
    let (start, other) = (x.startIndex, weights.startIndex)
    var sum: Float = 0
    for offset in stride(from: 0, to: x.count, by: 2) {
      let isPair = offset + 1 < x.count
      sum = bf16Dot(
        accumulator: sum, (x[start + offset], isPair ? x[start + offset + 1] : 0),
        (weights[other + offset], isPair ? weights[other + offset + 1] : 0))
    }
    return sum
  }

  /// a · b + c as the hardware computes it.
  static func step(_ c: Float, _ a: Float, _ b: Float) -> Float {
    let (a, b, c) = (flushed(a), flushed(b), flushed(c))
    let sum = c.addingProduct(a, b)
    guard abs(sum) == leastNormal else { return flushed(sum) }
    // A sum below the normal range may round up into it, but is flushed if 24 bits hold it there.
    let scaled = (c * 0x1p64).addingProduct(a * 0x1p64, b)
    return abs(scaled) < leastNormal * 0x1p64 ? zero(like: sum) : sum
  }

  static let leastNormal = Float.leastNormalMagnitude

  /// A denormal as zero of its sign.
  static func flushed(_ value: Float) -> Float {
    abs(value) < leastNormal ? zero(like: value) : value
  }

  private static func zero(like value: Float) -> Float { value.sign == .minus ? -0.0 : 0 }
}
