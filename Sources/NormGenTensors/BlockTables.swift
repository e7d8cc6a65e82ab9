import NormGenIR

/// Where the bits of integers lie, looked up once for all blocks.
struct IntegerTable: Sendable {
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

  /// Writes the bits of integers within their range, of which there are as many as in a block.
  func pack(_ integers: [Int32], into block: UnsafeMutableRawBufferPointer) {
    for part in parts {
      for (index, place) in part.places.enumerated() {
        let bits = UInt8(truncatingIfNeeded: (integers[index] + zeroPoint) >> part.shift)
        let others = block[Int(place.byte)] & ~(part.mask << place.bit)
        block[Int(place.byte)] = others | (bits & part.mask) << place.bit
      }
    }
  }
}

/// Where quants lie, and what is subtracted from them.
struct QuantTable: Sendable {
  private let quants: IntegerTable
  private let zeroPoints: IntegerTable?

  init(_ format: BlockFormat) {
    quants = IntegerTable(format.quants)
    zeroPoints = format.zeroPoints.map(IntegerTable.init)
  }

  /// Writes a block's quants without their zero points over `integers`, of which there are as many.
  func unpack(
    _ block: UnsafeRawBufferPointer, into integers: inout [Int32], _ scratch: inout [Int32]
  ) {
    quants.unpack(block, into: &integers)
    guard let zeroPoints else { return }
    scratch = [Int32](repeating: 0, count: zeroPoints.count)
    zeroPoints.unpack(block, into: &scratch)
    let shared = quants.count / zeroPoints.count
    for index in integers.indices { integers[index] -= scratch[index / shared] }
  }
}

/// Where a factor's number and integers lie.
struct FactorTable: Sendable {
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

extension BlockFormat.Integers {
  /// Writes integers within their range, of which there are as many as in a block.
  package func pack(_ integers: [Int32], into block: UnsafeMutableRawBufferPointer) {
    IntegerTable(self).pack(integers, into: block)
  }
}

extension BlockFormat.Factor {
  /// Writes the number of a block, rounded to its type.
  package func pack(_ number: Double, into block: UnsafeMutableRawBufferPointer) {
    let bits = type.bits(nearest: number)
    for place in 0..<type.byteCount {
      block[byte + place] = UInt8(truncatingIfNeeded: bits >> (8 * place))
    }
  }
}
