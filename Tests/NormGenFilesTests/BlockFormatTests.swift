import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// The descriptions of block formats: what they say of themselves, and the values that they give.
@Suite struct BlockFormatTests {
  @Test func theTableIsWellFormed() throws {
    for format in BlockFormat.all {
      try format.verify()
      // A bit that no field reads would be a value that nobody sees.
      #expect(format.unusedBitCount == 0, "\(format.name)")
      #expect(format.hasExactProducts == (format.scale.type == .f16), "\(format.name)")
    }
    #expect(Set(BlockFormat.all.map(\.name)).count == BlockFormat.all.count)
    #expect(Set(BlockFormat.ggml.compactMap(\.number)).count == BlockFormat.ggml.count)
    #expect(BlockFormat.grouped.allSatisfy { $0.number == nil })
  }

  @Test func integersHaveTheRangesOfTheirBits() {
    #expect(BlockFormat.q4_0.quants.range == -8...7)
    #expect(BlockFormat.q8_0.quants.range == -128...127)
    #expect(BlockFormat.q3_K.quants.range == -4...3)
    #expect(BlockFormat.q6_K.quants.range == -32...31)
    #expect(BlockFormat.q3_K.scale.integers?.range == -32...31)
    #expect(BlockFormat.q4_K.minimum?.factor.integers?.range == 0...63)
  }

  /// Bits with a mistake are refused with their place.
  @Test func contradictionsAreNamed() {
    func error(_ quants: BlockFormat.Integers, scale: BlockFormat.Factor) -> BlockFormatError? {
      let format = BlockFormat(
        name: "odd", number: 99, elementCount: 8, byteCount: 6, quants: quants, scale: scale)
      return #expect(throws: BlockFormatError.self) { try format.verify() }
    }
    typealias Bits = BlockFormat.Bits
    let scale = BlockFormat.Factor(byte: 0)
    let nibbles = Bits(4, byte: 2, extents: [4, 2], strides: [8, 4])
    let cases: [(BlockFormat.Integers, BlockFormat.Factor, String, String)] = [
      (
        .init(Bits(4, byte: 2, extents: [4], strides: [8])), scale, "quants, part 0",
        "[4] with [8]"
      ),
      (
        .init(Bits(4, byte: 3, extents: [4, 2], strides: [8, 4])), scale, "quants, part 0",
        "bit 48"
      ),
      (
        .init(Bits(4, byte: 2, bit: 6, extents: [8], strides: [4])), scale, "quants, part 0",
        "4 bits at bit 22"
      ),
      (
        .init(Bits(4, byte: 2, extents: [8], strides: [0])), scale, "quants, part 0",
        "bit 16 of quants, part 0"
      ),
      (.init(nibbles), .init(byte: 1), "scale's number", "bit 16 of quants, part 0"),
      (.init(nibbles), .init(byte: 0, type: .i8), "scale", "i8"),
      (
        .init(nibbles),
        .init(byte: 0, integers: .init(Bits(1, byte: 5, extents: [3], strides: [1]))),
        "scale's integers", "3"
      ),
      (.init(), scale, "quants", "0"),
    ]
    for (quants, scale, field, found) in cases {
      let error = error(quants, scale: scale)
      #expect(error?.field == field && error?.found == found, "\(String(describing: error))")
      #expect(error?.description.hasPrefix("block format 'odd', \(field): expected ") == true)
    }
  }

  // MARK: Values

  /// The vectors of a format: blocks, and the values that the reference has.
  private func vectors(_ format: BlockFormat) throws -> (blocks: HostTensor, values: HostTensor) {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    let stem = "\(folder)/BlockVectors/\(format.name)"
    return (
      try NpyFile("\(stem).blocks.npy").load(as: .i8),
      try NpyFile("\(stem).values.npy").load(as: .f32)
    )
  }

  private func decode(_ blocks: HostTensor, _ format: BlockFormat) -> [Float] {
    var values = [Float](
      repeating: 0, count: blocks.byteCount / format.byteCount * format.elementCount)
    blocks.withUnsafeBytes { blocks in
      values.withUnsafeMutableBufferPointer { BlockDecoder(format).decode(blocks, into: $0) }
    }
    return values
  }

  /// The elements whose bits differ; payloads of NaN may.
  private func differences(_ values: [Float], _ expected: HostTensor) -> Int {
    let bits = expected.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
    return zip(values, bits).count {
      $0.0.bitPattern != $0.1 && !($0.0.isNaN && Float(bitPattern: $0.1).isNaN)
    }
  }

  @Test(arguments: BlockFormat.ggml)
  func theReferencesValuesAreMetBitForBit(_ format: BlockFormat) throws {
    let (blocks, expected) = try vectors(format)
    #expect(blocks.shape == [16, format.byteCount] && expected.shape == [16, format.elementCount])
    #expect(expected.doubles.contains { $0.isNaN } && expected.doubles.contains { $0.isInfinite })
    #expect(differences(decode(blocks, format), expected) == 0)
  }

  /// The value of an element by the description alone: exact, then rounded once.
  private func exactValue(_ index: Int, of block: [UInt8], _ format: BlockFormat) -> Float {
    func integer(_ integers: BlockFormat.Integers, _ index: Int) -> Int {
      var (number, worth) = (0, 1)
      for part in integers.parts {
        for bit in part.position(of: index)..<part.position(of: index) + part.width {
          if block[bit / 8] & 1 << UInt8(bit % 8) != 0 { number += worth }
          worth *= 2
        }
      }
      if integers.isSigned, number >= worth / 2 { number -= worth }
      return number - integers.zeroPoint
    }
    func factor(_ factor: BlockFormat.Factor) -> Double {
      let bits = UInt32(block[factor.byte]) | UInt32(block[factor.byte + 1]) << 8
      let number = DType.f16.value(ofBits: bits)
      guard let integers = factor.integers else { return number }
      let perInteger = format.elementCount / integers.count
      return number * Double(integer(integers, index / perInteger))
    }
    var quant = integer(format.quants, index)
    if let zeroPoints = format.zeroPoints {
      quant -= integer(zeroPoints, index / (format.elementCount / zeroPoints.count))
    }
    let product = factor(format.scale) * Double(quant)
    switch format.minimum {
    case .added(let minimum): return Float(product + factor(minimum))
    case .subtracted(let minimum): return Float(product - factor(minimum))
    case nil: return Float(product)
    }
  }

  /// Float64 holds every product and sum exactly, so that one rounding is all there is.
  @Test(arguments: BlockFormat.all.filter(\.hasExactProducts))
  func valuesAreExactAndRoundedOnce(_ format: BlockFormat) throws {
    let blocks = try seededTensor([50, format.byteCount], .i8, seed: 10)
    let bytes = blocks.elementBytes
    let values = decode(blocks, format)
    var wrong = 0
    for index in values.indices {
      let block = index / format.elementCount * format.byteCount
      let expected = exactValue(
        index % format.elementCount, of: Array(bytes[block..<block + format.byteCount]), format)
      let isEqual = expected.bitPattern == values[index].bitPattern
      if !isEqual, !(expected.isNaN && values[index].isNaN) { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  /// Descriptions with one mistake each give other values than the reference.
  @Test(arguments: BlockFormat.ggml)
  func mistakesOfADescriptionAreSeen(_ format: BlockFormat) throws {
    func changed(
      quants: BlockFormat.Integers? = nil, scale: BlockFormat.Factor? = nil,
      minimum: BlockFormat.Minimum? = nil
    ) -> BlockFormat {
      BlockFormat(
        name: format.name, number: format.number, elementCount: format.elementCount,
        byteCount: format.byteCount, quants: quants ?? format.quants, scale: scale ?? format.scale,
        minimum: minimum ?? format.minimum)
    }
    func other(_ integers: BlockFormat.Integers) -> [BlockFormat.Integers] {
      var others: [BlockFormat.Integers] = []
      for zeroPoint in [integers.zeroPoint - 1, integers.zeroPoint + 1] {
        others.append(integers.with(zeroPoint: zeroPoint))
      }
      others.append(integers.with(isSigned: !integers.isSigned))
      // Two places of the elements, or of the bits, exchanged.
      for (index, part) in integers.parts.enumerated() where part.extents.count > 1 {
        let turned = BlockFormat.Bits(
          part.width, byte: part.first / 8, bit: part.first % 8,
          extents: [part.extents[1], part.extents[0]] + part.extents.dropFirst(2),
          strides: [part.strides[1], part.strides[0]] + part.strides.dropFirst(2))
        others.append(integers.with(part: index, turned))
      }
      return others
    }
    var mistakes = other(format.quants).map { changed(quants: $0) }
    let numbers = [format.scale.byte] + (format.minimum.map { [$0.factor.byte] } ?? [])
    if let integers = format.scale.integers {
      mistakes += other(integers).map {
        changed(scale: .init(byte: format.scale.byte, integers: $0))
      }
    }
    switch format.minimum {
    case .added(let factor): mistakes.append(changed(minimum: .subtracted(factor)))
    case .subtracted(let factor):
      mistakes.append(changed(minimum: .added(factor)))
      if let integers = factor.integers {
        mistakes += other(integers).map {
          changed(minimum: .subtracted(.init(byte: factor.byte, integers: $0)))
        }
      }
      mistakes.append(
        changed(
          scale: .init(byte: numbers[1], integers: format.scale.integers),
          minimum: .subtracted(.init(byte: numbers[0], integers: factor.integers))))
    case nil: break
    }
    let (blocks, expected) = try vectors(format)
    #expect(mistakes.count >= 3)
    for mistake in mistakes {
      #expect(differences(decode(blocks, mistake), expected) > 0, "\(mistake)")
    }
  }
}

extension BlockFormat.Integers {
  /// The integers with something else.
  fileprivate func with(
    zeroPoint: Int? = nil, isSigned: Bool? = nil
  ) -> BlockFormat.Integers {
    BlockFormat.Integers(
      parts, zeroPoint: zeroPoint ?? self.zeroPoint, isSigned: isSigned ?? self.isSigned)
  }

  /// The integers with one part in another place.
  fileprivate func with(part index: Int, _ bits: BlockFormat.Bits) -> BlockFormat.Integers {
    var parts = parts
    parts[index] = bits
    return BlockFormat.Integers(parts, zeroPoint: zeroPoint, isSigned: isSigned)
  }
}
