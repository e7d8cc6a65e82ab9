/// ggml's block types, as its definition of each structure has them: one description is all that a new
/// one needs.
extension BlockFormat {
  /// All formats that are known.
  public static let all = ggml + grouped

  /// ggml's formats, in the order of their numbers.
  public static let ggml: [BlockFormat] = [
    q4_0, q4_1, q5_0, q5_1, q8_0, q2_K, q3_K, q4_K, q5_K, q6_K,
  ]

  /// The format of a name, such as `q4_K` or `u4_g128`.
  public static func named(_ name: String) -> BlockFormat? { byName[name] }

  /// What an error says of the names: ggml's, and how groups are called.
  public static let expectedNames =
    ggml.map(\.name).joined(separator: ", ")
    + ", or groups of \(groupSizes.map(String.init).joined(separator: ", ")) such as u4_g128, i8_g64, "
    + "u2_g32_bf16"

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  // MARK: 32 elements with one scale

  /// 4 bits from −8 to 7: d, then bytes of elements i and i + 16.
  public static let q4_0 = BlockFormat(
    name: "q4_0", number: 2, elementCount: 32, byteCount: 18,
    quants: Integers(nibbles(of: 32, byte: 2), zeroPoint: 8), scale: Factor(byte: 0))

  /// 4 bits from 0 to 15 above a minimum: d, m, quants.
  public static let q4_1 = BlockFormat(
    name: "q4_1", number: 3, elementCount: 32, byteCount: 20,
    quants: Integers(nibbles(of: 32, byte: 4)), scale: Factor(byte: 0),
    minimum: .added(Factor(byte: 2)))

  /// 5 bits from −16 to 15: d, the high bits in the elements' order, then low bits as in q4_0.
  public static let q5_0 = BlockFormat(
    name: "q5_0", number: 6, elementCount: 32, byteCount: 22,
    quants: Integers(
      nibbles(of: 32, byte: 6), Bits(1, byte: 2, extents: [32], strides: [1]), zeroPoint: 16),
    scale: Factor(byte: 0))

  /// 5 bits from 0 to 31 above a minimum: d, m, high bits, low bits.
  public static let q5_1 = BlockFormat(
    name: "q5_1", number: 7, elementCount: 32, byteCount: 24,
    quants: Integers(
      nibbles(of: 32, byte: 8), Bits(1, byte: 4, extents: [32], strides: [1])),
    scale: Factor(byte: 0), minimum: .added(Factor(byte: 2)))

  /// 8 bits from −128 to 127: d, then a byte for each element.
  public static let q8_0 = BlockFormat(
    name: "q8_0", number: 8, elementCount: 32, byteCount: 34,
    quants: Integers(Bits(8, byte: 2, extents: [32], strides: [8]), isSigned: true),
    scale: Factor(byte: 0))

  // MARK: 256 elements with scales of sub-blocks

  /// 2 bits in 16 sub-blocks: bytes of a scale and a minimum of 4 bits, quants, d, dmin.
  public static let q2_K = BlockFormat(
    name: "q2_K", number: 10, elementCount: 256, byteCount: 84,
    quants: Integers(pairsOfBits(of: 256, byte: 16)),
    scale: Factor(
      byte: 80, integers: Integers(Bits(4, byte: 0, extents: [16], strides: [8]))),
    minimum: .subtracted(
      Factor(
        byte: 82, integers: Integers(Bits(4, byte: 0, bit: 4, extents: [16], strides: [8])))))

  /// 3 bits from −4 to 3 in 16 sub-blocks with scales from −32 to 31: high bits, low bits, scales (the
  /// low 4 bits of two a byte, the high 2 of four a byte), d.
  public static let q3_K = BlockFormat(
    name: "q3_K", number: 11, elementCount: 256, byteCount: 110,
    quants: Integers(
      pairsOfBits(of: 256, byte: 32), Bits(1, byte: 0, extents: [32, 8], strides: [8, 1]),
      zeroPoint: 4),
    scale: Factor(
      byte: 108,
      integers: Integers(
        Bits(4, byte: 96, extents: [8, 2], strides: [8, 4]),
        Bits(2, byte: 104, extents: [4, 4], strides: [8, 2]), zeroPoint: 32)))

  /// 4 bits in 8 sub-blocks: d, dmin, scales and minima of 6 bits, quants.
  public static let q4_K = BlockFormat(
    name: "q4_K", number: 12, elementCount: 256, byteCount: 144,
    quants: Integers(nibbles(of: 64, byte: 16, groups: 4)),
    scale: Factor(byte: 0, integers: sixBitScales(byte: 4)),
    minimum: .subtracted(Factor(byte: 2, integers: sixBitMinima(byte: 4))))

  /// 5 bits in 8 sub-blocks: d, dmin, scales and minima as in q4_K, high bits, low bits.
  public static let q5_K = BlockFormat(
    name: "q5_K", number: 13, elementCount: 256, byteCount: 176,
    quants: Integers(
      nibbles(of: 64, byte: 48, groups: 4), Bits(1, byte: 16, extents: [32, 8], strides: [8, 1])),
    scale: Factor(byte: 0, integers: sixBitScales(byte: 4)),
    minimum: .subtracted(Factor(byte: 2, integers: sixBitMinima(byte: 4))))

  /// 6 bits from −32 to 31 in 16 sub-blocks: low 4 bits, high 2 bits, signed scales of 8 bits, d.
  public static let q6_K = BlockFormat(
    name: "q6_K", number: 14, elementCount: 256, byteCount: 210,
    quants: Integers(
      nibbles(of: 128, byte: 0, groups: 2), pairsOfBits(of: 256, byte: 128), zeroPoint: 32),
    scale: Factor(
      byte: 208,
      integers: Integers(Bits(8, byte: 192, extents: [16], strides: [8]), isSigned: true)))

  // MARK: Shared patterns

  /// Groups of elements, the first half of each in the low four bits of bytes, the other in the high.
  private static func nibbles(of elements: Int, byte: Int, groups: Int = 1) -> Bits {
    Bits(
      4, byte: byte, extents: [elements / 2, 2, groups], strides: [8, 4, 4 * elements])
  }

  /// Groups of 128 elements in 32 bytes, two bits of each byte for every quarter.
  private static func pairsOfBits(of elements: Int, byte: Int) -> Bits {
    Bits(2, byte: byte, extents: [32, 4, elements / 128], strides: [8, 2, 256])
  }

  /// The scales among eight scales and eight minima of 6 bits in 12 bytes.
  ///
  /// Bytes 0 to 3 hold scales 0 to 3, and in their two highest bits those of scales 4 to 7; bytes 8 to 11
  /// hold the low four bits of scales 4 to 7, and above them those of the minima.
  private static func sixBitScales(byte: Int) -> Integers {
    Integers(
      Bits(4, byte: byte, extents: [4, 2], strides: [8, 64]),
      Bits(2, byte: byte, bit: 4, extents: [4, 2], strides: [8, 2]))
  }

  /// The minima among eight scales and eight minima; theirs are bytes 4 to 7.
  private static func sixBitMinima(byte: Int) -> Integers {
    Integers(
      Bits(4, byte: byte + 4, extents: [4, 2], strides: [8, 36]),
      Bits(2, byte: byte + 4, bit: 4, extents: [4, 2], strides: [8, 2]))
  }
}
