public import NormGenIR

/// Dequantizes blocks: the Float32 values that a ``BlockFormat`` defines, bit for bit but for payloads of
/// NaN.
public struct BlockDecoder: Sendable {
  /// The format of the blocks.
  public let format: BlockFormat
  private let quants: IntegerTable
  private let scale: FactorTable
  private let minimum: FactorTable?
  private let subtractsMinimum: Bool

  /// Prepares the decoding of a format that ``BlockFormat/verify()`` accepts.
  public init(_ format: BlockFormat) {
    do throws(BlockFormatError) { try format.verify() } catch { preconditionFailure("\(error)") }
    self.format = format
    quants = IntegerTable(format.quants)
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
    quants.unpack(block, into: &scratch.quants)
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

extension BlockFormat {
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
