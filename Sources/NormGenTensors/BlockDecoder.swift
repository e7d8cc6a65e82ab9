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

/// Where the bits of integers lie, looked up once for all blocks.
private struct IntegerTable: Sendable {
  private struct Part: Sendable {
    let mask: UInt8
    /// The worth of the lowest bit in the integer, as a power of two.
    let shift: Int32
    let places: [(byte: Int32, bit: UInt8)]
  }

  let count: Int
  private let parts: [Part]
  /// Half the numbers of a two's complement, whose highest bit counts negative; else 0.
  private let signBit: Int32
  private let zeroPoint: Int32

  init(_ integers: BlockFormat.Integers) {
    var parts: [Part] = []
    var shift: Int32 = 0
    for bits in integers.parts {
      let places = (0..<bits.count).map { index in
        let position = bits.position(of: index)
        return (Int32(position / 8), UInt8(position % 8))
      }
      parts.append(
        Part(mask: UInt8(truncatingIfNeeded: 1 << bits.width - 1), shift: shift, places: places))
      shift += Int32(bits.width)
    }
    count = integers.count
    self.parts = parts
    signBit = integers.isSigned ? 1 << (shift - 1) : 0
    zeroPoint = Int32(integers.zeroPoint)
  }

  /// Writes the integers of a block over `integers`, of which there are as many.
  func unpack(_ block: UnsafeRawBufferPointer, into integers: inout [Int32]) {
    integers.withUnsafeMutableBufferPointer { integers in
      integers.update(repeating: 0)
      for part in parts {
        for (index, place) in part.places.enumerated() {
          let bits = block[Int(place.byte)] >> place.bit & part.mask
          integers[index] |= Int32(bits) << part.shift
        }
      }
      for index in integers.indices {
        integers[index] = (integers[index] ^ signBit) - signBit - zeroPoint
      }
    }
  }
}

/// Where a factor's number and integers lie.
private struct FactorTable: Sendable {
  let count: Int
  private let factor: BlockFormat.Factor
  private let integers: IntegerTable?

  init(_ factor: BlockFormat.Factor) {
    self.factor = factor
    integers = factor.integers.map(IntegerTable.init)
    count = integers?.count ?? 1
  }

  /// Writes the factors of a block over `factors`, of which there are as many.
  func unpack(
    _ block: UnsafeRawBufferPointer, into factors: inout [Float], _ scratch: inout [Int32]
  ) {
    var bits: UInt32 = 0
    for byte in (0..<factor.type.byteCount).reversed() {
      bits = bits << 8 | UInt32(block[factor.byte + byte])
    }
    let number = Float(factor.type.value(ofBits: bits))
    guard let integers else {
      factors[0] = number
      return
    }
    scratch = [Int32](repeating: 0, count: integers.count)
    integers.unpack(block, into: &scratch)
    for (index, integer) in scratch.enumerated() { factors[index] = number * Float(integer) }
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
