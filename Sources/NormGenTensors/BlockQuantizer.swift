public import NormGenIR

/// Quantizes tensors: makes the blocks that ggml's reference quantizer makes, bit for bit.
///
/// How follows from the format's description. All is Float32, each operation rounded to nearest with ties
/// to even, with x a value of the block, d its scale, q the quant of x, and i = 1 / d:
///
/// - Quants around a zero point z (`q4_0`, `q5_0`): d = v / −z, with v the value of the greatest magnitude,
///   the first of several; q = ⌊x · i + (z + ½)⌋ − z, at most z − 1. So v itself becomes −z.
/// - Quants from 0 to n above a minimum (`q4_1`, `q5_1`): m = the least value, d = (the greatest − m) / n;
///   q = ⌊(x − m) · i + ½⌋.
/// - Quants from −n to n in two's complement (`q8_0`): d = the greatest magnitude / n; q = x · i, rounded to
///   nearest with ties away from zero.
///
/// Then d and m are rounded to their type. i is 0 where d is 0, and where 1 / d lies beyond Float32: there d is
/// below 2⁻¹²⁷, f16 stores it as zero, and the reference's quants depend on its processor. Of a least value
/// that is zero with both signs, m has the sign of the first; in the reference that depends on the processor,
/// too, and no value of the block does on it.
public struct BlockQuantizer: Sendable {
  /// The format of the blocks.
  public let format: BlockFormat
  private let rule: Rule
  private let quants: IntegerTable

  /// The formats that there is a quantizer for.
  ///
  /// Of formats with scales of sub-blocks ggml has several quantizers, which search for scales and differ in
  /// their bits; none of them is the definition.
  public static let formats = BlockFormat.ggml.filter { Rule($0) != nil }

  /// Prepares the quantization to a format that ``BlockFormat/verify()`` accepts.
  ///
  /// - Throws: ``QuantizationError/noQuantizer(format:known:)``.
  public init(_ format: BlockFormat) throws(QuantizationError) {
    do throws(BlockFormatError) { try format.verify() } catch { preconditionFailure("\(error)") }
    guard let rule = Rule(format) else {
      throw .noQuantizer(format: format.name, known: BlockQuantizer.formats.map(\.name))
    }
    self.format = format
    self.rule = rule
    quants = IntegerTable(format.quants)
  }

  /// Quantizes the rows of a tensor, its last axis.
  ///
  /// - Parameter tensor: f32, bf16 or f16 elements; bf16 and f16 are widened exactly before.
  /// - Returns: A tensor of the same shape.
  /// - Throws: ``QuantizationError`` for other elements, rows that are no whole number of blocks, NaN and
  ///   infinities, scales and minima beyond their type, and where the system has no memory for the blocks.
  public func quantize(_ tensor: HostTensor) throws(QuantizationError) -> BlockTensor {
    guard tensor.storage.holdsFractions else { throw .storage(tensor.storage) }
    let row = tensor.shape.last ?? 1
    guard row % format.elementCount == 0 else {
      throw .rowLength(format: format.name, multiple: format.elementCount, found: row)
    }
    return try BlockTensor(tensor.shape, format) { bytes throws(QuantizationError) in
      var values = [Float](repeating: 0, count: format.elementCount)
      var integers = [Int32](repeating: 0, count: format.elementCount)
      for block in 0..<tensor.count / format.elementCount {
        let first = block * format.elementCount
        for index in values.indices { values[index] = Float(tensor[first + index]) }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
          throw .notFinite(
            format: format.name, element: BlockQuantizer.index(of: first + index, in: tensor.shape),
            found: "\(values[index])")
        }
        let factors = factors(of: values)
        try check(factors, at: first, tensor.shape)
        quantize(values, factors, into: &integers)
        let bytes = UnsafeMutableRawBufferPointer(
          rebasing: bytes[block * format.byteCount..<(block + 1) * format.byteCount])
        quants.pack(integers, into: bytes)
        format.scale.pack(Double(factors.scale), into: bytes)
        format.minimum?.factor.pack(Double(factors.minimum), into: bytes)
      }
    }
  }

  /// How blocks are made.
  private enum Rule {
    /// Quants around a zero point.
    case zeroPoint
    /// Quants from 0 on above a minimum.
    case range
    /// Quants in two's complement.
    case magnitude

    init?(_ format: BlockFormat) {
      let quants = format.quants
      guard format.number != nil, format.zeroPoints == nil, format.scale.integers == nil,
        format.minimum?.factor.integers == nil
      else { return nil }
      switch (format.minimum, quants.isSigned, quants.zeroPoint) {
      case (nil, false, 1 << (quants.width - 1)): self = .zeroPoint
      case (.added?, false, 0): self = .range
      case (nil, true, 0): self = .magnitude
      default: return nil
      }
    }
  }

  /// What a block's values share, before it is rounded to its type.
  private struct Factors {
    let scale: Float
    var minimum: Float = 0
  }

  /// The factors of finite values; a scale may be infinite.
  private func factors(of values: [Float]) -> Factors {
    let most = Float(format.quants.range.upperBound)
    switch rule {
    case .zeroPoint:
      var extreme = values[0]
      for value in values where abs(value) > abs(extreme) { extreme = value }
      return Factors(scale: extreme / -Float(format.quants.zeroPoint))
    case .range:
      var (least, greatest) = (values[0], values[0])
      for value in values {
        if value < least { least = value }
        if value > greatest { greatest = value }
      }
      return Factors(scale: (greatest - least) / most, minimum: least)
    case .magnitude:
      return Factors(scale: values.reduce(0) { max($0, abs($1)) } / most)
    }
  }

  /// Refuses factors that would be stored as infinities.
  private func check(
    _ factors: Factors, at first: Int, _ shape: [Int]
  ) throws(QuantizationError) {
    let stored = [
      ("scale", factors.scale, format.scale.type),
      ("minimum", factors.minimum, format.minimum?.factor.type ?? .f32),
    ]
    for (name, number, type) in stored where !type.rounded(Double(number)).isFinite {
      throw .beyondRange(
        format: format.name, factor: name, first: BlockQuantizer.index(of: first, in: shape),
        type: type, found: "\(number)")
    }
  }

  /// Writes the quants of values over `integers`, of which there are as many.
  private func quantize(_ values: [Float], _ factors: Factors, into integers: inout [Int32]) {
    let most = Float(format.quants.range.upperBound)
    var inverse = 1 / factors.scale
    if !inverse.isFinite { inverse = 0 }
    for (index, value) in values.enumerated() {
      let quant: Float
      switch rule {
      case .zeroPoint:
        let zeroPoint = Float(format.quants.zeroPoint)
        quant = min((value * inverse + (zeroPoint + 0.5)).rounded(.down) - zeroPoint, most)
      case .range:
        quant = min(((value - factors.minimum) * inverse + 0.5).rounded(.down), most)
      case .magnitude:
        quant = (value * inverse).rounded(.toNearestOrAwayFromZero)
      }
      integers[index] = Int32(quant)
    }
  }

  /// The index along each axis of the element at a row-major position.
  private static func index(of position: Int, in shape: [Int]) -> [Int] {
    var (index, rest) = (shape, position)
    for axis in shape.indices.reversed() {
      index[axis] = rest % shape[axis]
      rest /= shape[axis]
    }
    return index
  }
}
