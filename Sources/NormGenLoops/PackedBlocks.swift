public import NormGenIR

/// How the blocks of a sliver's columns lie packed, those of the same K together: all scales, all minima, all
/// zero points, then all quants, each kind column by column.
///
/// A column's quants lie in words of four bytes. Of the elements that a word holds, element i has its bits
/// in byte i mod 4, above those of elements i − 4, i − 8, … there: the bytes of four successive elements
/// are what integer dot products take. Quants of one part around zero are a two's complement; other
/// integers count from their least, and those that were a two's complement have their highest bit flipped.
public struct PackedBlocks: Hashable, Sendable {
  /// What the blocks hold.
  public let format: BlockFormat
  /// The columns of a sliver.
  public let columns: Int
  /// Whether integer products read them, and not products of the values.
  public let takesIntegers: Bool
  /// Whether wide sums take no more than narrow ones.
  public let prefersWideSums: Bool
  /// Where the scales lie.
  public let scale: Factor
  /// Where the minima lie; nil if there are none.
  public let minimum: Factor?
  /// The byte with which the first sub-block's zero points begin, a byte a column; nil if there are none.
  public let zeroPoints: Int?
  /// Where the words of each part of the quants' bits begin.
  public let quants: [Int]
  /// The bytes of the columns' blocks.
  public let byteCount: Int

  /// Where a factor's numbers lie, and the integers that refine them: for each sub-block a byte a column.
  public struct Factor: Hashable, Sendable {
    /// The factor.
    public let factor: BlockFormat.Factor
    /// The byte with which the columns' numbers begin.
    public let numbers: Int
    /// The byte with which the first sub-block's integers begin.
    public let integers: Int
  }

  /// The layout of a format that has no ``obstacle(of:)``.
  public init(
    _ format: BlockFormat, columns: Int, takesIntegers: Bool = false, prefersWideSums: Bool = false
  ) {
    self.format = format
    self.takesIntegers = takesIntegers
    self.prefersWideSums = prefersWideSums
    self.columns = columns
    var byte = 0
    func place(_ factor: BlockFormat.Factor) -> Factor {
      let numbers = byte
      byte += columns * factor.type.byteCount
      let integers = byte
      byte += columns * (factor.integers?.count ?? 0)
      return Factor(factor: factor, numbers: numbers, integers: integers)
    }
    scale = place(format.scale)
    minimum = (format.minimum?.factor).map(place)
    zeroPoints = format.zeroPoints.map { integers in
      defer { byte += columns * integers.count }
      return byte
    }
    var quants: [Int] = []
    for part in format.quants.parts {
      quants.append(byte)
      byte += columns * format.elementCount * part.width / 8
    }
    self.quants = quants
    byteCount = byte
  }

  /// Sub-blocks: successive elements that share all factors.
  public var subBlocks: Int { format.subBlocks }

  /// Successive elements of a sub-block.
  public var subBlockElements: Int { format.subBlockElements }

  /// Elements of a word of the widest part: those that are unpacked together.
  public var run: Int { 32 / (format.quants.parts.map(\.width).max() ?? 8) }

  /// Elements of a word of a part.
  public func wordElements(_ part: Int) -> Int { 32 / format.quants.parts[part].width }

  /// Whether quants are packed as a two's complement; others count from their least.
  ///
  /// What needs no subtraction then is packed so; integer products take all as they count.
  public var isSigned: Bool {
    let quants = format.quants
    return !takesIntegers && format.zeroPoints == nil && quants.parts.count == 1
      && PackedBlocks.zeroPoint(of: quants) == 1 << (quants.width - 1)
  }

  /// What is subtracted from quants as they are packed.
  public var zeroPoint: Int { isSigned ? 0 : PackedBlocks.zeroPoint(of: format.quants) }

  /// The sums of an integer product: narrow where 16 bits hold those of a run, which is unpacked together.
  public var quadSums: QuadSums {
    !prefersWideSums && run / 4 <= mostNarrowSteps ? .narrow : .wide
  }

  /// How many steps of four elements of a group an integer product sums before it converts sums to
  /// Float32: as many as 16 bits hold, if the sums are narrow.
  public var quadSteps: Int {
    let all = subBlockElements / 4
    guard quadSums == .narrow else { return all }
    var steps = run / 4
    while 2 * steps <= mostNarrowSteps, all % (2 * steps) == 0 { steps *= 2 }
    return steps
  }

  /// The most steps whose sums 16 bits hold: each adds two products, which −128 makes the greatest.
  private var mostNarrowSteps: Int {
    Int(Int16.max) / (2 * 128 * (1 << format.quants.width - 1))
  }

  /// What is subtracted from integers that count from their least.
  public static func zeroPoint(of integers: BlockFormat.Integers) -> Int {
    integers.zeroPoint + (integers.isSigned ? 1 << (integers.width - 1) : 0)
  }

  /// Whether an integer product needs the sums of a group's elements of the other operand.
  public static func needsSums(_ format: BlockFormat) -> Bool {
    format.minimum != nil || format.zeroPoints != nil
      || PackedBlocks(format, columns: 1, takesIntegers: true).zeroPoint != 0
  }

  /// Why a format's blocks cannot be packed for a product; nil if they can.
  public static func obstacle(of format: BlockFormat) -> String? {
    do throws(BlockFormatError) { try format.verify() } catch { return error.description }
    guard format.elementCount % 32 == 0, MatmulOrder.block % format.elementCount == 0 else {
      return "blocks of \(format.elementCount) elements; packed are those of a multiple of 32 that "
        + "divides \(MatmulOrder.block)"
    }
    guard format.quants.parts.allSatisfy({ [1, 2, 4, 8].contains($0.width) }) else {
      return
        "quants in parts of \(format.quants.parts.map(\.width)) bits; packed are parts of 1, 2, 4 "
        + "and 8"
    }
    let factors = [format.scale] + (format.minimum.map { [$0.factor] } ?? [])
    guard format.quants.width <= 8 else { return "quants of \(format.quants.width) bits" }
    let integers = factors.compactMap(\.integers) + (format.zeroPoints.map { [$0] } ?? [])
    guard integers.allSatisfy({ $0.width <= 8 }) else {
      return "integers of more than 8 bits beside its scale"
    }
    guard factors.allSatisfy({ [.f32, .bf16, .f16].contains($0.type) }) else {
      return "scales of \(factors.map(\.type.rawValue)); packed are those of f32, bf16 and f16"
    }
    let counts = Set(integers.map(\.count))
    let layout = PackedBlocks(format, columns: 1)
    guard counts.count <= 1, layout.subBlockElements % layout.run == 0 else {
      return
        "\(counts.sorted()) sub-blocks; packed are as many for scales, minima and zero points, of a multiple of "
        + "\(layout.run) elements"
    }
    return nil
  }
}
