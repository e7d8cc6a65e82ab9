/// A description of blocks that contradicts itself.
public struct BlockFormatError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The format's name.
  public let format: String
  /// The part of the description: `quants`, `scale`, `minimum`, or a part of these.
  public let field: String
  /// What it should be.
  public let expected: String
  /// What it is.
  public let found: String

  public var description: String {
    "block format '\(format)', \(field): expected \(expected), found \(found)"
  }
}

extension BlockFormat {
  /// Checks that every integer and number lies in the block, no two share a bit, and there are as many as
  /// the block's elements and sub-blocks need.
  public func verify() throws(BlockFormatError) {
    guard elementCount > 0, byteCount > 0, elementCount <= 1 << 16, byteCount <= 1 << 16 else {
      throw error("block", "1 to 65536 elements and bytes", "\(elementCount) and \(byteCount)")
    }
    var owners = [String?](repeating: nil, count: 8 * byteCount)
    try verify(quants, "quants", count: elementCount, &owners)
    if let zeroPoints { try verifyShared(zeroPoints, "zero points", &owners) }
    try verify(scale, "scale", &owners)
    if let minimum { try verify(minimum.factor, "minimum", &owners) }
  }

  /// Why the result of an operation can't be the bytes of blocks; nil if it can.
  public func refusal(of operand: Op) -> GraphError.Reason? {
    if case .input(_, .u8) = operand { return nil }
    return .blocksOfOther(name, found: operand)
  }

  /// The bits of a block that no integer and no number has.
  public var unusedBitCount: Int {
    let factors = [scale] + (minimum.map { [$0.factor] } ?? [])
    let integers = [quants] + (zeroPoints.map { [$0] } ?? []) + factors.compactMap(\.integers)
    return 8 * byteCount - integers.reduce(0) { $0 + $1.count * $1.width }
      - factors.reduce(0) { $0 + 8 * $1.type.byteCount }
  }

  /// Whether d · sc, its product with q, and d · sc of the minimum are always Float32 values, for finite
  /// numbers.
  public var hasExactProducts: Bool {
    scale.significandBits + BlockFormat.significandBits(of: range) <= 24
      && (minimum?.factor.significandBits ?? 0) <= 24
      // Beyond this a product could overflow or be a denormal of Float32.
      && [scale, minimum?.factor ?? scale].allSatisfy { $0.type == .f16 }
  }

  private func verify(
    _ factor: Factor, _ field: String, _ owners: inout [String?]
  ) throws(BlockFormatError) {
    guard factor.type.holdsFractions else {
      throw error(field, "a floating-point number", factor.type.rawValue)
    }
    let bits = 8 * factor.byte..<8 * (factor.byte + factor.type.byteCount)
    for bit in bits { try own(bit, "\(field)'s number", &owners) }
    if let integers = factor.integers {
      try verifyShared(integers, "\(field)'s integers", &owners)
    }
  }

  /// Checks integers that equally many elements share.
  private func verifyShared(
    _ integers: Integers, _ field: String, _ owners: inout [String?]
  ) throws(BlockFormatError) {
    guard integers.count > 0, elementCount % integers.count == 0 else {
      throw error(field, "a divisor of \(elementCount) elements", "\(integers.count)")
    }
    try verify(integers, field, count: integers.count, &owners)
  }

  private func verify(
    _ integers: Integers, _ field: String, count: Int, _ owners: inout [String?]
  ) throws(BlockFormatError) {
    guard (1...16).contains(integers.width) else {
      throw error(field, "integers of 1 to 16 bits", "\(integers.width)")
    }
    for (index, part) in integers.parts.enumerated() {
      let field = "\(field), part \(index)"
      guard part.extents.count == part.strides.count, part.extents.allSatisfy({ $0 > 0 }),
        part.extents.allSatisfy({ $0 <= 1 << 16 }), part.extents.count <= 3, part.count == count
      else {
        throw error(
          field, "a stride for each of up to 3 extents, whose product is \(count)",
          "\(part.extents) with \(part.strides)")
      }
      guard (0..<8 * byteCount).contains(part.first),
        part.strides.allSatisfy({ $0.magnitude <= 8 * byteCount })
      else {
        throw error(
          field, "a first bit and strides within \(8 * byteCount) bits",
          "\(part.first) and \(part.strides)")
      }
      for integer in 0..<count {
        let lowest = part.position(of: integer)
        guard part.width > 0, lowest >= 0, lowest % 8 + part.width <= 8 else {
          throw error(
            field, "each integer's bits in one byte", "\(part.width) bits at bit \(lowest)")
        }
        for bit in lowest..<lowest + part.width { try own(bit, field, &owners) }
      }
    }
  }

  /// Gives a bit of the block to a field.
  private func own(
    _ bit: Int, _ field: String, _ owners: inout [String?]
  ) throws(BlockFormatError) {
    guard owners.indices.contains(bit) else {
      throw error(field, "bits of the \(byteCount) bytes", "bit \(bit)")
    }
    if let owner = owners[bit] { throw error(field, "bits of its own", "bit \(bit) of \(owner)") }
    owners[bit] = field
  }

  private func error(_ field: String, _ expected: String, _ found: String) -> BlockFormatError {
    BlockFormatError(format: name, field: field, expected: expected, found: found)
  }

  /// The bits that a value's significand needs at most.
  fileprivate static func significandBits(of range: ClosedRange<Int>) -> Int {
    let greatest = max(range.upperBound, -range.lowerBound)
    // A power of two is its own greatest value alone, and needs one bit.
    let isPower = greatest & (greatest - 1) == 0
    return Int.bitWidth - (isPower ? greatest - 1 : greatest).leadingZeroBitCount
  }
}

extension BlockFormat.Factor {
  /// The bits that a factor's significand needs at most.
  fileprivate var significandBits: Int {
    let number: Int
    switch type {
    case .f32: number = 24
    case .f16: number = 11
    case .bf16: number = 8
    case .i8: number = 7
    case .u8: number = 8
    case .f8E4M3: number = 4
    case .f8E5M2: number = 3
    }
    return number + (integers.map { BlockFormat.significandBits(of: $0.range) } ?? 0)
  }
}
