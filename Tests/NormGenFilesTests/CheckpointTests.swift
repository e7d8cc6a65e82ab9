import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Layers of GPTQ and AWQ checkpoints, and MatMulNBits' arrays, beside what their producers' own code made of
/// them; `CheckpointVectors/record.py` says how.
@Suite struct CheckpointTests {
  private static let vectors =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/CheckpointVectors/"

  private func vector(_ name: String, _ storage: DType) throws -> HostTensor {
    try NpyFile(Self.vectors + name).load(as: storage)
  }

  /// Integers, zero points, scales and values of a layer are those of a producer.
  private func judge(
    _ blocks: HostTensor, _ format: BlockFormat, _ name: String
  ) throws {
    let integers = format.integers(of: blocks)
    let quants = try vector("\(name)/quants.npy", .u8)
    let zeros = try vector("\(name)/zeros.npy", .u8).doubles
    let scales = try vector("\(name)/scales.npy", .f32).doubles
    let expected = quants.doubles.enumerated().map { place, quant in
      Int32(quant - zeros[place / format.elementCount])
    }
    #expect(integers.quants == expected, "\(name)")
    #expect(integers.scales.map(Double.init) == scales, "\(name)")
    // The producers compute in f16, once rounded.
    let values = try vector("\(name)/expected.npy", .f32).doubles
    let found = format.decoded(blocks)
    #expect(found.count == values.count)
    #expect(
      zip(found, values).allSatisfy { DType.f16.rounded(Double($0)) == $1 }, "\(name)")
  }

  @Test(
    arguments: [
      ("gptq_sym_g32", "i4_g32"), ("gptq_sym_g32", "u4_g32"), ("gptq_sym_column", "i4_g64"),
      ("gptq_asym_g128", "u4_g128"), ("gptq_8bit_g64_bias", "u8_g64"),
      ("gptq_v2_bias", "u4_g32"), ("gptq_stored_15", "u4_g32"), ("gptq_borrow", "u4_g32"),
      ("gptq_desc_act_static", "u4_g32"), ("awq_g128", "u4_g128"), ("awq_g32_bias", "u4_g32"),
    ])
  func producersLayersAreMetBitForBit(name: String, format: String) throws {
    let format = try #require(BlockFormat.named(format))
    let file = try SafetensorsFile(Self.vectors + name + "/model.safetensors")
    try judge(file.load("layer", blocksOf: format), format, name)
  }

  @Test func groupsThatAreNotSuccessiveAreRefused() throws {
    let file = try SafetensorsFile(Self.vectors + "gptq_desc_act/model.safetensors")
    let error = #expect(throws: TensorFileError.self) {
      try file.load("layer", blocksOf: BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: true))
    }
    #expect(
      "\(try #require(error))".contains("tensor 'layer.g_idx': expected groups of successive k"))
  }

  /// Its arrays are blocks' parts side by side; the last group of a row is filled up.
  @Test(
    arguments: [
      ("4bit_b32", "i4_g32_f32"), ("4bit_b32_zeros", "u4_g32_f32"), ("8bit_b64", "i8_g64_f32"),
      ("8bit_b64_zeros", "u8_g64_f32"),
    ])
  func arraysOfMatMulNBitsAreBlocksPartsSideBySide(name: String, format: String) throws {
    let format = try #require(BlockFormat.named(format))
    let folder = "matmul_nbits/\(name)/"
    let quants = try vector(folder + "B.npy", .u8)
    let scales = try vector(folder + "scales.npy", .f32)
    let bytes = quants.elementBytes
    let (columns, groups) = (quants.shape[0], quants.shape[1])
    let zeros =
      format.zeroPoints == nil ? nil : try vector(folder + "zero_points.npy", .u8).elementBytes
    var blocks: [UInt8] = []
    for group in 0..<columns * groups {
      blocks += scales.elementBytes[4 * group..<4 * group + 4]
      if let zeros {
        // Those of a column begin with a byte.
        let bits = format.quants.width
        let own = group % groups * bits
        let rowBytes = (groups * bits + 7) / 8
        let byte = zeros[group / groups * rowBytes + own / 8]
        blocks.append(byte >> (own % 8) & UInt8(truncatingIfNeeded: 1 << bits - 1))
      }
      let count = quants.shape[2]
      blocks += bytes[group * count..<(group + 1) * count]
    }
    var tensor = try HostTensor(zeros: [columns, groups * format.byteCount], .u8)
    tensor.withUnsafeMutableBytes { $0.copyBytes(from: blocks) }
    let expected = try vector(folder + "expected.npy", .f32)
    let (terms, found) = (expected.shape[1], format.decoded(tensor))
    for (place, value) in expected.doubles.enumerated() {
      let element = place / terms * groups * format.elementCount + place % terms
      #expect(Double(found[element]) == value, "\(name), \(place)")
    }
  }
}
