public import NormGenIR

/// Rounding of Float64 values to storage types: once, to nearest, ties to even.
extension DType {
  /// A binary format with denormals, infinities and NaN.
  private struct Format {
    /// Stored significand bits.
    let significandBits: Int
    /// The exponent of the smallest normal value.
    let leastNormalExponent: Int
  }

  /// The binary format of the values; nil for integers.
  private var format: Format? {
    switch self {
    case .f32: Format(significandBits: 23, leastNormalExponent: -126)
    case .bf16: Format(significandBits: 7, leastNormalExponent: -126)
    case .f16: Format(significandBits: 10, leastNormalExponent: -14)
    case .i8, .u8: nil
    }
  }

  /// The least and the greatest value of integers; nil for a binary format.
  package var integers: ClosedRange<Double>? {
    switch self {
    case .f32, .bf16, .f16: nil
    case .i8: -128...127
    case .u8: 0...255
    }
  }

  /// The largest finite value.
  public var greatestFiniteMagnitude: Double {
    if let integers { return integers.upperBound }
    guard let format else { return .infinity }
    let significand = 2 - Double(sign: .plus, exponent: -format.significandBits, significand: 1)
    return Double(
      sign: .plus, exponent: 1 - format.leastNormalExponent, significand: significand)
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
  /// Floating-point types give infinity beyond their range and NaN for NaN. Integers give the
  /// bound of their range beyond it and 0 for NaN; their zero is +0.
  public func rounded(_ value: Double) -> Double {
    if let integers {
      if value.isNaN { return 0 }
      let clamped = min(max(value, integers.lowerBound), integers.upperBound)
      let whole = clamped.rounded(.toNearestOrEven)
      return whole == 0 ? 0 : whole
    }
    guard value.isFinite, value != 0 else { return value }
    let spacing = ulp(at: value)
    // Both steps are exact: the spacing is a power of two, and the quotient is far below 2⁵³.
    let rounded = (value / spacing).rounded(.toNearestOrEven) * spacing
    if abs(rounded) > greatestFiniteMagnitude { return value < 0 ? -.infinity : .infinity }
    return rounded == 0 ? (value < 0 ? -0.0 : 0.0) : rounded
  }

  /// The stored bits of the nearest value of the type.
  public func bits(nearest value: Double) -> UInt32 {
    if value.isNaN {
      switch self {
      case .f32: return 0x7fc0_0000
      case .bf16: return 0x7fc0
      case .f16: return 0x7e00
      case .i8, .u8: return 0
      }
    }
    // Every value of each type is a Float32, so the conversion after rounding is exact.
    let nearest = Float(rounded(value))
    switch self {
    case .f32: return nearest.bitPattern
    case .bf16: return nearest.bitPattern >> 16
    case .f16: return DType.halfBits(of: nearest)
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
    case .i8, .u8: memory[index] = UInt8(truncatingIfNeeded: bits)
    }
  }

  /// The value of stored bits.
  public func value(ofBits bits: UInt32) -> Double {
    switch self {
    case .f32: return Double(Float(bitPattern: bits))
    case .bf16: return Double(Float(bitPattern: bits << 16))
    case .f16:
      let exponent = Int(bits >> 10 & 0x1f)
      let fraction = Double(bits & 0x3ff)
      let magnitude: Double
      if exponent == 31 {
        magnitude = fraction == 0 ? .infinity : .nan
      } else if exponent == 0 {
        magnitude = fraction * 0x1p-24
      } else {
        magnitude = Double(sign: .plus, exponent: exponent - 25, significand: 1024 + fraction)
      }
      return bits & 0x8000 == 0 ? magnitude : -magnitude
    case .i8: return Double(Int8(truncatingIfNeeded: bits))
    case .u8: return Double(UInt8(truncatingIfNeeded: bits))
    }
  }

  /// The bits of a Float32 that binary16 holds exactly.
  private static func halfBits(of value: Float) -> UInt32 {
    let sign: UInt32 = value.sign == .minus ? 0x8000 : 0
    let magnitude = abs(value)
    if magnitude.isInfinite { return sign | 0x7c00 }
    if magnitude < 0x1p-14 { return sign | UInt32(magnitude * 0x1p24) }
    let exponent = UInt32(magnitude.exponent + 15)
    return sign | exponent << 10 | (magnitude.bitPattern >> 13 & 0x3ff)
  }
}
