public import NormGenIR

/// Rounding of Float64 values to storage types: once, to nearest, ties to even.
extension DType {
  /// A binary format with denormals and NaN.
  private struct Format {
    /// Stored significand bits.
    let significandBits: Int
    /// The exponent of the smallest normal value.
    let leastNormalExponent: Int
    /// Whether the greatest exponent is that of infinities and NaN; else its last value alone is NaN.
    var hasInfinity = true
  }

  /// The binary format of the values; nil for integers.
  private var format: Format? {
    switch self {
    case .f32: Format(significandBits: 23, leastNormalExponent: -126)
    case .bf16: Format(significandBits: 7, leastNormalExponent: -126)
    case .f16: Format(significandBits: 10, leastNormalExponent: -14)
    case .f8E4M3:
      Format(significandBits: 3, leastNormalExponent: -6, hasInfinity: false)
    case .f8E5M2: Format(significandBits: 2, leastNormalExponent: -14)
    case .i8, .u8: nil
    }
  }

  /// The least and the greatest value of integers; nil for a binary format.
  package var integers: ClosedRange<Double>? {
    switch self {
    case .f32, .bf16, .f16, .f8E4M3, .f8E5M2: nil
    case .i8: -128...127
    case .u8: 0...255
    }
  }

  /// The distance between neighbours at the magnitude of `value`.
  public func ulp(at value: Double) -> Double {
    guard value.isFinite else { return .nan }
    guard let format else { return 1 }
    let least = format.leastNormalExponent
    let exponent = value == 0 ? least : max(Int(value.exponent), least)
    return Double(sign: .plus, exponent: exponent - format.significandBits, significand: 1)
  }

  /// The number of steps from one value of the type to another, from neighbour to neighbour: their
  /// distance in units in the last place.
  ///
  /// Zeros of both signs are one value, and so are all NaNs; from NaN to any other value there are
  /// infinitely many steps.
  public func steps(from: Double, to: Double) -> Double {
    if from.isNaN || to.isNaN { return from.isNaN && to.isNaN ? 0 : .infinity }
    return Double(abs(ordinal(from) - ordinal(to)))
  }

  /// The place of a value of the type among all, in order; both zeros are 0.
  private func ordinal(_ value: Double) -> Int {
    guard format != nil else { return Int(rounded(value)) }
    let magnitude = Int(bits(nearest: abs(value)))
    return value < 0 ? -magnitude : magnitude
  }

  /// The nearest value of the type.
  ///
  /// Floating-point types give infinity beyond their range, f8_e4m3 gives NaN, and NaN for NaN. Integers give the
  /// bound of their range beyond it and 0 for NaN; their zero is +0.
  public func rounded(_ value: Double) -> Double {
    if let integers {
      if value.isNaN { return 0 }
      let clamped = min(max(value, integers.lowerBound), integers.upperBound)
      let whole = clamped.rounded(.toNearestOrEven)
      return whole == 0 ? 0 : whole
    }
    guard let format, !value.isNaN, value != 0 else { return value }
    let beyond = format.hasInfinity ? Double(signOf: value, magnitudeOf: .infinity) : .nan
    guard value.isFinite else { return beyond }
    let spacing = ulp(at: value)
    // Both steps are exact: the spacing is a power of two, and the quotient is far below 2⁵³.
    let rounded = (value / spacing).rounded(.toNearestOrEven) * spacing
    if abs(rounded) > greatestFiniteMagnitude { return beyond }
    return rounded == 0 ? (value < 0 ? -0.0 : 0.0) : rounded
  }

  /// The stored bits of the nearest value of the type.
  public func bits(nearest value: Double) -> UInt32 {
    // Every value of each type is a Float32, so the conversion after rounding is exact.
    let nearest = Float(rounded(value))
    if nearest.isNaN {
      switch self {
      case .f32: return 0x7fc0_0000
      case .bf16: return 0x7fc0
      case .f16: return 0x7e00
      case .f8E4M3: return 0x7f
      case .f8E5M2: return 0x7e
      case .i8, .u8: return 0
      }
    }
    switch self {
    case .f32: return nearest.bitPattern
    case .bf16: return nearest.bitPattern >> 16
    case .f16, .f8E4M3, .f8E5M2: return shortBits(of: nearest)
    case .i8: return UInt32(UInt8(bitPattern: Int8(nearest)))
    case .u8: return UInt32(nearest)
    }
  }

  /// Writes stored bits to the element at an index of memory.
  package func store(_ bits: UInt32, at index: Int, in memory: UnsafeMutableRawBufferPointer) {
    switch self {
    case .f32: memory.storeBytes(of: bits, toByteOffset: index * 4, as: UInt32.self)
    case .bf16, .f16:
      memory.storeBytes(
        of: UInt16(truncatingIfNeeded: bits), toByteOffset: index * 2, as: UInt16.self)
    case .i8, .u8, .f8E4M3, .f8E5M2: memory[index] = UInt8(truncatingIfNeeded: bits)
    }
  }

  /// The value of stored bits.
  public func value(ofBits bits: UInt32) -> Double {
    switch self {
    case .f32: return Double(Float(bitPattern: bits))
    case .bf16: return Double(Float(bitPattern: bits << 16))
    case .f16, .f8E4M3, .f8E5M2: return value(ofShortBits: bits)
    case .i8: return Double(Int8(truncatingIfNeeded: bits))
    case .u8: return Double(UInt8(truncatingIfNeeded: bits))
    }
  }

  /// The bit of the sign; those below it are the magnitude's.
  private var signBit: UInt32 { 1 << UInt32(8 * byteCount - 1) }

  /// The value of bits whose exponent is shorter than that of a Float32.
  private func value(ofShortBits bits: UInt32) -> Double {
    guard let format else { return .nan }
    let magnitude = bits & (signBit - 1)
    let exponent = Int(magnitude >> UInt32(format.significandBits))
    let one = UInt32(1) << UInt32(format.significandBits)
    let fraction = magnitude & (one - 1)
    let last = Int((signBit - 1) >> UInt32(format.significandBits))
    let value: Double
    if exponent == last, format.hasInfinity {
      value = fraction == 0 ? .infinity : .nan
    } else if exponent == last, fraction == one - 1 {
      value = .nan
    } else {
      let significand = exponent == 0 ? fraction : one + fraction
      value = Double(significand) * ulp(at: 0) * Double(UInt64(1) << UInt64(max(exponent, 1) - 1))
    }
    return bits & signBit == 0 ? value : -value
  }

  /// The bits of a Float32 that such a type holds exactly.
  private func shortBits(of value: Float) -> UInt32 {
    guard let format else { return 0 }
    let sign: UInt32 = value.sign == .minus ? signBit : 0
    let magnitude = Double(value.magnitude)
    let fractionBits = UInt32(format.significandBits)
    if magnitude.isInfinite {
      let fraction: UInt32 = (1 << fractionBits) - 1
      return sign | (signBit - 1) & ~fraction
    }
    let steps = UInt32(magnitude / ulp(at: magnitude))
    guard steps >> fractionBits != 0 else { return sign | steps }
    // The significand's own bit counts as one exponent.
    let exponent = UInt32(Int(magnitude.exponent) - format.leastNormalExponent)
    return sign | (exponent << fractionBits + steps)
  }
}
