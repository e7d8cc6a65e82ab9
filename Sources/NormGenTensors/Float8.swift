import NormGenIR

/// The f8_e4m3 elements of Swift arrays: 4 exponent bits, 3 of fraction, no infinity.
public struct Float8E4M3: Hashable, Sendable, BitwiseCopyable {
  /// The stored bits.
  public var bitPattern: UInt8

  /// The value of stored bits.
  public init(bitPattern: UInt8) { self.bitPattern = bitPattern }

  /// The nearest value, ties to even; NaN for what rounds beyond 448.
  public init(_ value: Float) {
    bitPattern = UInt8(truncatingIfNeeded: DType.f8E4M3.bits(nearest: Double(value)))
  }
}

/// The f8_e5m2 elements of Swift arrays: 5 exponent bits, 2 of fraction.
public struct Float8E5M2: Hashable, Sendable, BitwiseCopyable {
  /// The stored bits.
  public var bitPattern: UInt8

  /// The value of stored bits.
  public init(bitPattern: UInt8) { self.bitPattern = bitPattern }

  /// The nearest value, ties to even; infinity for what rounds beyond 57344.
  public init(_ value: Float) {
    bitPattern = UInt8(truncatingIfNeeded: DType.f8E5M2.bits(nearest: Double(value)))
  }
}

extension Float {
  /// The value, exactly.
  public init(_ value: Float8E4M3) {
    self.init(DType.f8E4M3.value(ofBits: UInt32(value.bitPattern)))
  }

  /// The value, exactly.
  public init(_ value: Float8E5M2) {
    self.init(DType.f8E5M2.value(ofBits: UInt32(value.bitPattern)))
  }
}
