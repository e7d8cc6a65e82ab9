/// A storage type: how the elements of a tensor lie in memory.
///
/// Arithmetic is always Float32; a value is widened exactly when it is loaded and rounded once, to
/// nearest with ties to even, when it is stored or where the graph converts it.
///
/// Rounding to a floating-point type keeps NaN, infinities and the sign of zero. Rounding to
/// ``i8`` and ``u8`` does not: what lies beyond their range saturates, NaN gives 0, and −0 gives +0.
public enum DType: String, CaseIterable, Sendable, Hashable {
  /// IEEE 754 binary32.
  case f32
  /// The upper half of a binary32: 8 exponent bits, 7 stored significand bits.
  case bf16
  /// IEEE 754 binary16: 5 exponent bits, 10 stored significand bits.
  case f16
  /// An integer from −128 to 127 in two's complement.
  case i8
  /// An integer from 0 to 255.
  case u8

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .f32: 4
    case .bf16, .f16: 2
    case .i8, .u8: 1
    }
  }

  /// Whether it is a floating-point type; else its values are whole numbers, which saturate.
  public var holdsFractions: Bool {
    switch self {
    case .f32, .bf16, .f16: true
    case .i8, .u8: false
    }
  }
}
