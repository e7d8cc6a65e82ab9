public import NormGenIR

extension BlockFormat {
  /// Formats that differ in what matters to code: ggml's, groups with zero points or one for all, of every
  /// number of bits and type of scales, and one with zero points of sub-blocks.
  public static let sampled: [BlockFormat] =
    ggml + ["u4_g128", "u8_g32_f32", "i2_g256_bf16"].compactMap(named)
    + [zeroPointsOfParts]

  /// 5 bits in two sub-blocks with signed zero points of 6 bits from −33 to 30 and a minimum for both.
  static let zeroPointsOfParts = BlockFormat(
    name: "q5_z", elementCount: 64, byteCount: 46,
    quants: Integers(
      Bits(4, byte: 6, extents: [64], strides: [4]), Bits(1, byte: 38, extents: [64], strides: [1]),
      zeroPoint: 3),
    zeroPoints: Integers(
      Bits(6, byte: 4, extents: [2], strides: [8]), zeroPoint: 1, isSigned: true),
    scale: Factor(byte: 0), minimum: .subtracted(Factor(byte: 2)))
}
