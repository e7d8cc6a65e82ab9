import NormGenIR

/// The upper half of a Float32 as a storage type of Swift arrays: 8 exponent bits, 7 of fraction.
public struct BFloat16: Hashable, Sendable, BitwiseCopyable {
  /// The stored bits.
  public var bitPattern: UInt16

  /// The value of stored bits.
  public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// The nearest value, ties to even.
  public init(_ value: Float) {
    bitPattern = UInt16(truncatingIfNeeded: DType.bf16.bits(nearest: Double(value)))
  }
}

extension Float {
  /// The value, exactly.
  public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}
