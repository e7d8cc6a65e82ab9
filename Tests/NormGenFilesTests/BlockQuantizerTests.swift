import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Blocks made of values, compared with what gguf.quants.quantize makes of them; see
/// `BlockVectors/record.py`.
@Suite struct BlockQuantizerTests {
  /// The vectors of a format: values, and the blocks that the reference makes of them.
  private func vectors(_ format: BlockFormat) throws -> (values: HostTensor, blocks: HostTensor) {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    let stem = "\(folder)/BlockVectors/\(format.name)"
    return (
      try NpyFile("\(stem).unquantized.npy").load(as: .f32),
      try NpyFile("\(stem).quantized.npy").load(as: .i8)
    )
  }

  private func quantized(
    _ values: [Float], _ shape: [Int], _ format: BlockFormat
  ) throws -> BlockTensor {
    try BlockQuantizer(format).quantize(HostTensor(values, shape: shape))
  }

  /// A block that begins so and goes on with the last value.
  private func block(_ values: Float...) -> [Float] {
    values + [Float](repeating: values[values.count - 1], count: 32 - values.count)
  }

  @Test(arguments: BlockQuantizer.formats)
  func theReferencesBlocksAreMetBitForBit(_ format: BlockFormat) throws {
    let (values, expected) = try vectors(format)
    #expect(values.shape == [87, 32] && expected.shape == [87, format.byteCount])
    let blocks = try BlockQuantizer(format).quantize(values)
    #expect(blocks.shape == [87, 32] && blocks.byteCount == expected.byteCount)
    let (found, wanted) = (blocks.elementBytes, expected.elementBytes)
    let wrong = (0..<87).filter { row in
      let bytes = row * format.byteCount..<(row + 1) * format.byteCount
      return found[bytes] != wanted[bytes]
    }
    #expect(wrong == [])
  }

  @Test func onlyFormatsWithoutScalesOfSubBlocksHaveAQuantizer() throws {
    let names = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]
    #expect(BlockQuantizer.formats.map(\.name) == names)
    for format in BlockFormat.all where !names.contains(format.name) {
      let error = #expect(
        throws: QuantizationError.noQuantizer(format: format.name, known: names)
      ) { try BlockQuantizer(format) }
      #expect(
        error?.description
          == "there is no reference quantizer for \(format.name); there is one for "
          + "q4_0, q4_1, q5_0, q5_1, q8_0")
    }
  }

  // MARK: The rules once more

  /// What an implementation may get wrong.
  private enum Mistake: CaseIterable {
    /// Of equal magnitudes the last one decides.
    case last
    /// The scale has no sign.
    case unsigned
    /// Halves become even numbers.
    case even
    /// Values are divided by the scale.
    case divided
    /// Quants are those of the scale as it is stored.
    case stored
    /// Quants beyond the greatest begin again.
    case wrapped
  }

  /// The bits of a block's factors, and its quants as the bits have them, by the rules written once more.
  private func rule(_ x: [Float], _ name: String, _ mistake: Mistake?) -> [Int] {
    let bits = name == "q8_0" ? 8 : name.hasPrefix("q4") ? 4 : 5
    let half = 1 << (bits - 1)
    func f16(_ value: Float) -> Int { Int(DType.f16.bits(nearest: Double(value))) }
    func inverse(_ d: Float) -> Float {
      let d = mistake == .stored ? Float(DType.f16.rounded(Double(d))) : d
      return d == 0 ? 0 : 1 / d
    }
    func scaled(_ x: Float, _ d: Float) -> Float {
      mistake == .divided && d != 0 ? x / d : x * inverse(d)
    }
    func whole(_ x: Float) -> Int {
      Int(mistake == .even ? (x - 0.5).rounded(.toNearestOrEven) : x.rounded(.towardZero))
    }
    func capped(_ quant: Int) -> Int {
      mistake == .wrapped ? quant & (1 << bits - 1) : min(quant, 1 << bits - 1)
    }
    let magnitude = x.map { abs($0) }.max() ?? 0
    if name == "q8_0" {
      let d = magnitude / 127
      let quants = x.map {
        let value = scaled($0, d)
        let nearest = value.rounded(mistake == .even ? .toNearestOrEven : .toNearestOrAwayFromZero)
        return Int(nearest) & 0xff
      }
      return [f16(d)] + quants
    }
    if name.hasSuffix("_0") {
      let extremes = x.filter { abs($0) == magnitude }
      var d = (mistake == .last ? extremes[extremes.count - 1] : extremes[0]) / Float(-half)
      if mistake == .unsigned { d = abs(d) }
      return [f16(d)] + x.map { capped(whole(scaled($0, d) + (Float(half) + 0.5))) }
    }
    let (least, greatest) = (x.min() ?? 0, x.max() ?? 0)
    let d = (greatest - least) / Float(1 << bits - 1)
    return [f16(d), f16(least)] + x.map { capped(whole(scaled($0 - least, d) + 0.5)) }
  }

  /// The bits of the factors and quants of a block, read by the description.
  private func fields(_ block: ArraySlice<UInt8>, _ format: BlockFormat) -> [Int] {
    let block = Array(block)
    let factors = [format.scale.byte] + (format.minimum.map { [$0.factor.byte] } ?? [])
    return factors.map { Int(block[$0]) | Int(block[$0 + 1]) << 8 }
      + (0..<format.elementCount).map { index in
        var (quant, shift) = (0, 0)
        for part in format.quants.parts {
          let position = part.position(of: index)
          let bits = Int(block[position / 8]) >> (position % 8) & (1 << part.width - 1)
          quant |= bits << shift
          shift += part.width
        }
        return quant
      }
  }

  /// The recorded blocks are what the rules say, and every mistake gives others.
  @Test(arguments: BlockQuantizer.formats)
  func mistakesOfARuleAreSeen(_ format: BlockFormat) throws {
    let (values, blocks) = try vectors(format)
    let (x, bytes) = (values.doubles.map { Float($0) }, blocks.elementBytes)
    func wrong(_ mistake: Mistake?) -> Int {
      (0..<values.shape[0]).count { row in
        let found = rule(Array(x[32 * row..<32 * row + 32]), format.name, mistake)
        let block = bytes[row * format.byteCount..<(row + 1) * format.byteCount]
        return found != fields(block, format)
      }
    }
    #expect(wrong(nil) == 0)
    let signed = format.minimum == nil && !format.quants.isSigned
    for mistake in Mistake.allCases {
      // Only a scale that comes from one value has its sign, and only there quants can be too great.
      if [.last, .unsigned, .wrapped].contains(mistake), !signed { continue }
      #expect(wrong(mistake) > 0, "\(mistake)")
    }
  }

  // MARK: Values

  /// A value comes back within half a unit of the scale, and what rounding the factors moves.
  @Test(arguments: BlockQuantizer.formats)
  func valuesComeBackWithinAStep(_ format: BlockFormat) throws {
    var generator = SeededGenerator(seed: 3)
    let values = (0..<64 * 96).map { _ in Float(generator.normal()) }
    let blocks = try quantized(values, [64, 96], format)
    let decoded = try blocks.decoded()
    #expect(decoded.shape == [64, 96] && decoded.storage == .f32)
    let quants = format.quants.range
    for block in stride(from: 0, to: values.count, by: 32) {
      let x = values[block..<block + 32].map(Double.init)
      let (least, greatest) = (x.min() ?? 0, x.max() ?? 0)
      let extreme = max(-least, greatest)
      let steps = Double(quants.upperBound - quants.lowerBound)
      let scale = format.minimum == nil ? 2 * extreme / (steps - 1) : (greatest - least) / steps
      // Around a zero point, the end opposite to the extreme lacks a step.
      let missing = format.minimum == nil && !format.quants.isSigned ? scale : scale / 2
      let bound = missing + 2 * extreme * 0x1p-11 + 1e-6
      for index in 0..<32 {
        let error = abs(decoded[block + index] - x[index])
        #expect(error <= bound, "element \(block + index)")
      }
    }
  }

  @Test(arguments: [DType.bf16, .f16]) func halvesAreWidenedExactly(_ storage: DType) throws {
    var generator = SeededGenerator(seed: 4)
    let values = (0..<320).map { _ in generator.normal() }
    let tensor = try HostTensor(values, shape: [2, 5, 32], storage)
    let widened = try HostTensor(tensor.doubles.map { Float($0) }, shape: [2, 5, 32])
    for format in BlockQuantizer.formats {
      let quantizer = try BlockQuantizer(format)
      let found = try quantizer.quantize(tensor)
      #expect(found.shape == [2, 5, 32])
      #expect(try found.elementBytes == quantizer.quantize(widened).elementBytes)
    }
  }

  /// A scale whose inverse is no number: all that is stored is zero, as are the values.
  @Test(arguments: BlockQuantizer.formats)
  func scalesWithoutAnInverseGiveZeros(_ format: BlockFormat) throws {
    for tiny in [Float(0x1p-140), -0x1p-128, 0x1.8p-127] {
      let blocks = try quantized(block(tiny, 0, tiny / 2, 0), [32], format)
      let zeros = try quantized(block(tiny > 0 ? 0 : -0.0, 0), [32], format)
      let (found, expected) = (
        fields(blocks.elementBytes[...], format), fields(zeros.elementBytes[...], format)
      )
      let factors = format.minimum == nil ? 1 : 2
      #expect(found.dropFirst(factors) == expected.dropFirst(factors), "\(tiny)")
      #expect(try blocks.decoded().doubles.allSatisfy { $0 == 0 })
    }
  }

  @Test func theFirstZeroSignsAMinimum() throws {
    for format in [BlockFormat.q4_1, .q5_1] {
      let plus = try quantized(block(1, 0, -0.0), [32], format)
      let minus = try quantized(block(1, -0.0, 0), [32], format)
      #expect(fields(plus.elementBytes[...], format)[1] == 0)
      #expect(fields(minus.elementBytes[...], format)[1] == 0x8000)
      #expect(try plus.decoded().elementBytes == minus.decoded().elementBytes)
    }
  }

  @Test func tensorsWithoutElementsHaveNoBlocks() throws {
    for shape in [[0], [0, 32], [3, 0], [2, 0, 64]] {
      let blocks = try quantized([], shape, .q5_1)
      #expect(blocks.shape == shape && blocks.byteCount == 0)
      #expect(try blocks.decoded().shape == shape)
    }
  }

  // MARK: Errors

  private func expect(
    _ error: QuantizationError, _ message: String, _ tensor: HostTensor, _ format: BlockFormat,
    location: Testing.SourceLocation = #_sourceLocation
  ) throws {
    let quantizer = try BlockQuantizer(format)
    let found = #expect(throws: error, sourceLocation: location) { try quantizer.quantize(tensor) }
    #expect(found?.description == message, sourceLocation: location)
  }

  @Test func rowsAreWholeBlocks() throws {
    for (shape, found) in [([], 1), ([33], 33), ([32, 31], 31), ([64, 1], 1)] as [([Int], Int)] {
      try expect(
        .rowLength(format: "q4_0", multiple: 32, found: found),
        "expected rows of a multiple of 32 elements, as a block of q4_0 has, found \(found)",
        HostTensor(zeros: shape, .f32), .q4_0)
    }
  }

  @Test func wholeNumbersAreNotQuantized() throws {
    try expect(
      .storage(.i8), "expected f32, bf16 or f16 elements to quantize, found i8",
      HostTensor(zeros: [32], .i8), .q8_0)
  }

  @Test(arguments: BlockQuantizer.formats)
  func elementsThatAreNoNumbersAreNamed(_ format: BlockFormat) throws {
    for (value, text) in [
      (Float.nan, "nan"), (.infinity, "inf"), (-.infinity, "-inf"), (-.signalingNaN, "-snan"),
    ] {
      var values = [Float](repeating: 1, count: 2 * 3 * 64)
      values[64 * 4 + 40] = value
      values[64 * 4 + 41] = .nan
      let quantizer = try BlockQuantizer(format)
      let tensor = try HostTensor(values, shape: [2, 3, 64])
      let error = #expect(throws: QuantizationError.self) { try quantizer.quantize(tensor) }
      // How a NaN is written is Swift's.
      #expect(
        error?.description.hasPrefix(
          "element [1, 1, 40]: expected a finite number for a block of \(format.name), found ")
          == true)
      if !value.isNaN { #expect(error?.description.hasSuffix(" \(text)") == true) }
    }
  }

  /// The greatest number that rounds to one of f16 is stored, and the next one refused.
  @Test(arguments: BlockQuantizer.formats)
  func scalesBeyondF16AreRefused(_ format: BlockFormat) throws {
    let most = Float(65520).nextDown
    let range = format.quants.range
    // What the greatest scale takes: a value at one end of the quants and, above a minimum, at the other.
    let end = Float(
      format.minimum == nil && !format.quants.isSigned ? range.lowerBound : range.upperBound)
    var last = end * most
    // The quotient may round up.
    while abs(last / end) > most { last = last < 0 ? last.nextUp : last.nextDown }
    let blocks = try quantized(block(0, last, 0), [1, 32], format)
    #expect(fields(blocks.elementBytes[...], format)[0] & 0x7fff == 0x7bff)
    for beyond in [end * 65520, end * 1e6, -end * 0x1p100] {
      var values = [Float](repeating: 0, count: 128)
      values[70] = beyond
      let error = #expect(throws: QuantizationError.self) {
        try quantized(values, [2, 64], format)
      }
      let factor = format.minimum != nil && beyond < 0 ? "minimum" : "scale"
      guard case .beyondRange(format.name, let found, [1, 0], .f16, _)? = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(found == "scale" || found == factor)
    }
  }

  @Test func minimaAndDifferencesBeyondTheirTypesAreRefused() throws {
    for format in [BlockFormat.q4_1, .q5_1] {
      let most = Float(65520).nextDown
      #expect(
        try fields(quantized(block(-most), [32], format).elementBytes[...], format)[1] == 0xfbff)
      try expect(
        .beyondRange(
          format: format.name, factor: "minimum", first: [32], type: .f16, found: "-65520.0"),
        "the block from element [32] on: expected a minimum of magnitude 65504 at most, the greatest f16, "
          + "for \(format.name), found -65520.0",
        HostTensor(block(0) + block(-65520, 0), shape: [64]), format)
      let greatest = Float.greatestFiniteMagnitude
      try expect(
        .beyondRange(format: format.name, factor: "scale", first: [0], type: .f16, found: "inf"),
        "the block from element [0] on: expected a scale of magnitude 65504 at most, the greatest f16, for "
          + "\(format.name), found inf",
        HostTensor(block(greatest, -greatest), shape: [32]), format)
    }
  }
}

extension BlockTensor {
  var elementBytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}
