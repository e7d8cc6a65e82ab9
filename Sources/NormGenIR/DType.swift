/// A storage type: how the elements of a tensor lie in memory.
///
/// Arithmetic is always Float32; a value is widened exactly when it is loaded and rounded once, to
/// nearest with ties to even, when it is stored or where the graph converts it.
///
/// Rounding to a floating-point type keeps NaN, infinities and the sign of zero; ``f8E4M3``, which has
/// no infinity, has NaN in its place. Rounding to
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
  /// E4M3 of the Open Compute Project's 8-bit formats: 4 exponent bits, 3 stored significand bits, no
  /// infinity, finite up to 448.
  case f8E4M3 = "f8_e4m3"
  /// E5M2 of the Open Compute Project's 8-bit formats, the upper half of a binary16: 5 exponent bits,
  /// 2 stored significand bits, finite up to 57344.
  case f8E5M2 = "f8_e5m2"

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .f32: 4
    case .bf16, .f16: 2
    case .i8, .u8, .f8E4M3, .f8E5M2: 1
    }
  }

  /// Whether it is a floating-point type; else its values are whole numbers, which saturate.
  public var holdsFractions: Bool {
    switch self {
    case .f32, .bf16, .f16, .f8E4M3, .f8E5M2: true
    case .i8, .u8: false
    }
  }
}

extension DType {
  /// The largest finite value.
  public var greatestFiniteMagnitude: Double {
    switch self {
    case .f32: 0x1.fffffep127
    case .bf16: 0x1.fep127
    case .f16: 65504
    case .i8: 127
    case .u8: 255
    case .f8E4M3: 448
    case .f8E5M2: 57344
    }
  }
}

extension DType: CustomStringConvertible {
  /// The name in the text form.
  public var description: String { rawValue }
}
