/// Groups of equally many elements with a scale and a zero point, as GPTQ, AWQ and ONNX's MatMulNBits have
/// them, each in one block.
extension BlockFormat {
  /// All such formats: `i4_g128`, `u4_g128`, `u4_g128_f32`, …
  ///
  /// Names are the quants' type and bits, the elements of a group, and the scales' type unless it is f16.
  public static let grouped: [BlockFormat] = [4, 8, 2].flatMap { bits in
    [DType.f16, .bf16, .f32].flatMap { scale in
      groupSizes.flatMap { group in
        [false, true].map { hasZeroPoints in
          BlockFormat.grouped(
            bits: bits, group: group, scale: scale, hasZeroPoints: hasZeroPoints)
        }
      }
    }
  }

  /// The elements of a group in a format that has a name.
  public static let groupSizes = [32, 64, 128, 256]

  /// A group in a block: its scale; its zero point, a byte; then its quants, element after element, the
  /// first in the lowest bits.
  ///
  /// - Parameters:
  ///   - bits: The bits of a quant, which is 0 to 2ᵇ − 1: 1, 2, 4 or 8.
  ///   - group: The elements of a group, whose bits are whole bytes.
  ///   - scale: The type of scales.
  ///   - hasZeroPoints: Whether groups have zero points, 0 to 255; else that of all is 2ᵇ⁻¹.
  public static func grouped(
    bits: Int, group: Int, scale: DType = .f16, hasZeroPoints: Bool
  ) -> BlockFormat {
    let first = scale.byteCount + (hasZeroPoints ? 1 : 0)
    return BlockFormat(
      name: "\(hasZeroPoints ? "u" : "i")\(bits)_g\(group)"
        + (scale == .f16 ? "" : "_\(scale.rawValue)"),
      elementCount: group, byteCount: first + group * bits / 8,
      quants: Integers(
        Bits(bits, byte: first, extents: [group], strides: [bits]),
        zeroPoint: hasZeroPoints ? 0 : 1 << (bits - 1)),
      zeroPoints: hasZeroPoints
        ? Integers(Bits(8, byte: scale.byteCount, extents: [1], strides: [8])) : nil,
      scale: Factor(byte: 0, type: scale))
  }
}
