public import NormGenIR

/// Dequantizes blocks: the Float32 values that a ``BlockFormat`` defines, bit for bit but for payloads of
/// NaN.
public struct BlockDecoder: Sendable {
  /// The format of the blocks.
  public let format: BlockFormat
  private let quants: QuantTable
  private let scale: FactorTable
  private let minimum: FactorTable?
  private let subtractsMinimum: Bool

  /// Prepares the decoding of a format that ``BlockFormat/verify()`` accepts.
  public init(_ format: BlockFormat) {
    do throws(BlockFormatError) { try format.verify() } catch { preconditionFailure("\(error)") }
    self.format = format
    quants = QuantTable(format)
    scale = FactorTable(format.scale)
    minimum = format.minimum.map { FactorTable($0.factor) }
    switch format.minimum {
    case .subtracted: subtractsMinimum = true
    case .added, nil: subtractsMinimum = false
    }
  }

  /// Writes the values of whole blocks, in the order of the elements.
  ///
  /// - Parameters:
  ///   - blocks: Successive blocks of the format's `byteCount` bytes, which need no alignment.
  ///   - values: As many values as the blocks have elements.
  public func decode(
    _ blocks: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>
  ) {
    let blockCount = blocks.count / format.byteCount
    precondition(
      blocks.count == blockCount * format.byteCount
        && values.count == blockCount * format.elementCount,
      "\(blocks.count) bytes for \(values.count) values of \(format.name)")
    var scratch = Scratch(
      quants: [Int32](repeating: 0, count: format.elementCount),
      scales: [Float](repeating: 0, count: scale.count),
      minima: [Float](repeating: 0, count: minimum?.count ?? 0), integers: [])
    for block in 0..<blockCount {
      let (byte, element) = (block * format.byteCount, block * format.elementCount)
      decode(
        UnsafeRawBufferPointer(rebasing: blocks[byte..<byte + format.byteCount]),
        into: UnsafeMutableBufferPointer(
          rebasing: values[element..<element + format.elementCount]), &scratch)
    }
  }

  /// What a block's integers and factors are unpacked to.
  private struct Scratch {
    var quants: [Int32]
    var scales: [Float]
    var minima: [Float]
    var integers: [Int32]
  }

  private func decode(
    _ block: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>,
    _ scratch: inout Scratch
  ) {
    quants.unpack(block, into: &scratch.quants, &scratch.integers)
    scale.unpack(block, into: &scratch.scales, &scratch.integers)
    let perScale = format.elementCount / scratch.scales.count
    // Two operations in this order, each rounded: Swift fuses none.
    for (index, factor) in scratch.scales.enumerated() {
      for element in index * perScale..<(index + 1) * perScale {
        values[element] = factor * Float(scratch.quants[element])
      }
    }
    guard let minimum else { return }
    minimum.unpack(block, into: &scratch.minima, &scratch.integers)
    let perMinimum = format.elementCount / scratch.minima.count
    for (index, factor) in scratch.minima.enumerated() {
      // Subtracting is adding the opposite, signs of zeros included.
      let addend = subtractsMinimum ? -factor : factor
      for element in index * perMinimum..<(index + 1) * perMinimum { values[element] += addend }
    }
  }
}

/// What a tensor's blocks hold, before it is multiplied.
public struct BlockIntegers: Sendable {
  /// The quants without their zero points, in the order of the elements.
  public fileprivate(set) var quants: [Int32] = []
  /// The scale of each group of elements that share all factors.
  public fileprivate(set) var scales: [Float] = []
  /// What is added to each such group's products; nil if there is none.
  public fileprivate(set) var offsets: [Float]?

  /// Creates integers whose groups have scales alone.
  package init(quants: [Int32] = [], scales: [Float] = []) {
    self.quants = quants
    self.scales = scales
  }
}

extension BlockDecoder {
  /// The integers and factors of whole blocks.
  func integers(of blocks: UnsafeRawBufferPointer) -> BlockIntegers {
    var result = BlockIntegers()
    if minimum != nil { result.offsets = [] }
    var own = [Int32](repeating: 0, count: format.elementCount)
    var scratch: [Int32] = []
    /// One factor for each group, also where all share it.
    func factors(_ table: FactorTable, _ block: UnsafeRawBufferPointer) -> [Float] {
      var factors = [Float](repeating: 0, count: table.count)
      table.unpack(block, into: &factors, &scratch)
      return (0..<format.subBlocks).map { factors[$0 * table.count / format.subBlocks] }
    }
    for byte in stride(from: 0, to: blocks.count, by: format.byteCount) {
      let block = UnsafeRawBufferPointer(rebasing: blocks[byte..<byte + format.byteCount])
      quants.unpack(block, into: &own, &scratch)
      result.quants += own
      result.scales += factors(scale, block)
      guard let minimum else { continue }
      let offsets = factors(minimum, block)
      result.offsets? += subtractsMinimum ? offsets.map { -$0 } : offsets
    }
    return result
  }
}

extension BlockFormat {
  /// The integers and factors of a tensor's blocks, whose bytes its u8 elements are.
  public func integers(of blocks: HostTensor) -> BlockIntegers {
    precondition(
      blocks.storage == .u8 && blocks.count % byteCount == 0,
      "\(blocks.count) \(blocks.storage) elements of \(name)")
    return blocks.withUnsafeBytes { BlockDecoder(self).integers(of: $0) }
  }

  /// The values of a tensor's blocks, whose bytes its u8 elements are.
  public func decoded(_ blocks: HostTensor) -> [Float] {
    let count = blocks.count / byteCount
    precondition(
      blocks.storage == .u8 && blocks.count == count * byteCount,
      "\(blocks.count) \(blocks.storage) elements of \(name)")
    let decoder = BlockDecoder(self)
    return [Float](unsafeUninitializedCapacity: count * elementCount) { values, initialized in
      blocks.withUnsafeBytes {
        decoder.decode(
          $0, into: UnsafeMutableBufferPointer(rebasing: values[..<(count * elementCount)]))
      }
      initialized = count * elementCount
    }
  }
}
