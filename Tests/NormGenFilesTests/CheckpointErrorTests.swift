import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Layers of quantized checkpoints that do not fit their description, the parameter or themselves.
@Suite struct CheckpointErrorTests {
  /// A tensor of a file as its header describes it.
  private struct Raw {
    var type: String
    var shape: [Int]
    var bytes: [UInt8]

    static func words(_ shape: [Int], _ word: (Int) -> UInt32) -> Raw {
      let count = shape.reduce(1, *)
      let bytes = (0..<count).flatMap { place in
        withUnsafeBytes(of: word(place).littleEndian) { Array($0) }
      }
      return Raw(type: "I32", shape: shape, bytes: bytes)
    }
  }

  /// 4 bits, 2 groups of 32 and 16 columns; stored zero points of 7 and scales of 1.
  private var gptq: [String: Raw] {
    [
      "l.qweight": .words([8, 16]) { UInt32($0) &* 0x9e37_79b9 },
      "l.qzeros": .words([2, 2]) { _ in 0x7777_7777 },
      "l.scales": Raw(
        type: "F16", shape: [2, 16], bytes: (0..<32).flatMap { _ in [0, 0x3c] as [UInt8] }),
      "l.g_idx": .words([64]) { UInt32($0 / 32) },
    ]
  }

  private static let config = """
    {"bits": 4, "group_size": 32, "desc_act": false, "checkpoint_format": "gptq"}
    """

  private func load(
    _ tensors: [String: Raw], _ format: String, config: String? = Self.config,
    named configName: String = "quantize_config.json", layer: String = "l"
  ) throws -> HostTensor {
    let folder = try TemporaryFolder()
    var (header, bytes): ([String], [UInt8]) = ([], [])
    for (name, raw) in tensors.sorted(by: { $0.key < $1.key }) {
      header.append(
        "\"\(name)\":{\"dtype\":\"\(raw.type)\",\"shape\":\(raw.shape),\"data_offsets\":"
          + "[\(bytes.count),\(bytes.count + raw.bytes.count)]}")
      bytes += raw.bytes
    }
    let text = Array("{\(header.joined(separator: ","))}".utf8)
    let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    let file = try folder.file("m.safetensors", length + text + bytes)
    if let config { _ = try folder.file(configName, Array(config.utf8)) }
    let format = try #require(BlockFormat.named(format))
    do {
      return try SafetensorsFile(file).load(layer, blocksOf: format)
    } catch {
      throw Refusal(text: "\(error)".replacing(folder[""], with: ""))
    }
  }

  private struct Refusal: Error, Equatable { let text: String }

  private func refusal(
    _ tensors: [String: Raw]? = nil, _ format: String = "i4_g32", config: String? = Self.config,
    named configName: String = "quantize_config.json", layer: String = "l",
    _ edit: (inout [String: Raw]) -> Void = { _ in }
  ) throws -> String {
    var tensors = tensors ?? gptq
    edit(&tensors)
    var found = "nothing"
    do {
      _ = try load(tensors, format, config: config, named: configName, layer: layer)
    } catch let refusal as Refusal {
      found = refusal.text
    }
    return found
  }

  @Test func aLayerWithoutMistakesIsRead() throws {
    let withoutZeroPoints = try load(gptq, "i4_g32")
    #expect(withoutZeroPoints.shape == [16, 36] && withoutZeroPoints.storage == .u8)
    let withZeroPoints = try load(gptq, "u4_g32")
    #expect(withZeroPoints.shape == [16, 38])
    // 8 for all, stored or not.
    let format = BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: false)
    let other = BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: true)
    #expect(format.decoded(withoutZeroPoints) == other.decoded(withZeroPoints))
    // Element k of column c is four bits of word [k / 8, c].
    let word = UInt32(1 * 16 + 5) &* 0x9e37_79b9
    #expect(format.decoded(withoutZeroPoints)[5 * 64 + 10] == Float(word >> 8 & 15) - 8)
  }

  @Test func bytesOfBlocksAreReadAsTheyAre() throws {
    let bytes = (0..<72).map { UInt8($0) }
    let tensors = ["w": Raw(type: "U8", shape: [2, 36], bytes: bytes)]
    #expect(try load(tensors, "i4_g32", config: nil, layer: "w").elementBytes == bytes)
  }

  @Test func theDescriptionSaysHowZeroPointsAreStored() throws {
    let second = Self.config.replacing("gptq", with: "gptq_v2")
    let format = BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: true)
    let (one, two) = (
      format.decoded(try load(gptq, "u4_g32")),
      format.decoded(try load(gptq, "u4_g32", config: second))
    )
    #expect(zip(one, two).allSatisfy { $0 == $1 - 1 })
    let model = "{\"model_type\": \"llama\", \"quantization_config\": \(second)}"
    #expect(
      try load(gptq, "u4_g32", config: model, named: "config.json").elementBytes
        == load(gptq, "u4_g32", config: second).elementBytes)
    #expect(
      try refusal(config: second)
        == "'m.safetensors', tensor 'l.qzeros': expected 8 everywhere, as in i4_g32, found 7 (group 0, "
        + "column 0); u4_g32 has zero points of its own")
    #expect(
      try refusal(config: nil)
        == "'m.safetensors', tensor 'l.qzeros': expected one of quantize_config.json, quant_config.json, "
        + "config.json beside the file, which tells whether zero points lie one lower, found none")
    #expect(
      try refusal(config: "{\"model_type\": \"llama\"}", named: "config.json").contains(
        "expected one of quantize_config.json"))
    #expect(
      try refusal(config: Self.config.replacing("\"gptq\"", with: "\"marlin\""))
        == "'m.safetensors', tensor 'l.qweight': expected the layout 'gptq' or 'gptq_v2', found 'marlin', "
        + "as 'quantize_config.json' says")
  }

  @Test func descriptionsThatAreNoneAreNamed() throws {
    let cases = [
      ("[4]", "found text that is no JSON object, or has numbers that JSON lacks, such as NaN"),
      (
        "{\"bits\": \"four\"}",
        "'quantize_config.json': expected what a producer says of its quantized checkpoint, found 'bits' "
          + "that is not a whole number"
      ),
      ("{\"bits\": 4, \"w_bit\": 8}", "'bits' and 'w_bit' that differ"),
      (
        "{\"format\": \"gptq_v2\", \"checkpoint_format\": \"gptq\"}",
        "'checkpoint_format' and 'format' that differ"
      ),
      ("{\"is_marlin_format\": true}", "expected the layout 'gptq' or 'gptq_v2', found 'marlin'"),
      (
        "{\"group_size\": -1}",
        "expected groups of -1, as 'quantize_config.json' says, found 2 in i4_g32"
      ),
      ("{\"group_size\": 0}", "expected groups of 0"),
    ]
    for (text, message) in cases {
      let found = try refusal(config: text)
      #expect(found.contains(message), "\(text): \(found)")
    }
    #expect(
      try refusal(config: "{\"desc_act\": true}", { $0["l.g_idx"] = nil }).contains(
        "'l.g_idx': expected the groups' order, since 'quantize_config.json' says 'desc_act'"))
    let second = Self.config.replacing("gptq", with: "gptq_v2")
    #expect(
      try load(gptq, "u4_g32", config: "{\"format\": \"gptq_v2\"}").elementBytes
        == load(gptq, "u4_g32", config: second).elementBytes)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let cases: [(String, String, (inout [String: Raw]) -> Void)] = [
      (
        "u4_g64",
        "'l.qweight': expected [16, 16] (GPTQ) or [128, 2] (AWQ) for u4_g64 and scales of [2, 16], found "
          + "[8, 16]; 'quantize_config.json' says 4 bits, groups of 32", { _ in }
      ),
      (
        "u4_g32_bf16", "'l.scales': expected bf16 as in u4_g32_bf16, found f16", { _ in }
      ),
      (
        "q4_0",
        "'l.qweight': expected an input in groups, such as u4_g128, for a GPTQ or AWQ layer, found one "
          + "in q4_0", { _ in }
      ),
      (
        "i4_g32",
        "'l.qweight': expected I32 elements with two axes, found I32 [128]",
        { $0["l.qweight"]?.shape = [128] }
      ),
      (
        "i4_g32", "'l.qzeros': expected [2, 2], found [4, 1]", { $0["l.qzeros"]?.shape = [4, 1] }
      ),
      (
        "u4_g32", "'l.qzeros': expected zero points, as u4_g32 has, found none",
        { $0["l.qzeros"] = nil }
      ),
      (
        "i4_g32", "'l.scales': expected finite scales, found inf (group 1, column 3)",
        { $0["l.scales"]?.bytes[2 * 19 + 1] = 0x7c }
      ),
      (
        "i4_g32",
        "'l.g_idx': expected groups of successive k (group 1 for k = 33); permute the rows of a checkpoint "
          + "made with 'desc_act', and the layer's input with them, found group 0",
        { $0["l.g_idx"] = .words([64]) { $0 == 33 ? 0 : UInt32($0 / 32) } }
      ),
      (
        "i4_g32", "'l.g_idx': expected I32 [64], found I32 [32]",
        { $0["l.g_idx"] = .words([32]) { _ in 0 } }
      ),
      ("i4_g32", "there is no tensor 'l.scales'", { $0["l.scales"] = nil }),
      ("i4_g32", "there is no tensor 'l'", { $0["l.qweight"] = nil }),
      (
        "i4_g32", "'l.scales': expected groups and columns, found [0, 16]",
        { $0["l.scales"] = Raw(type: "F16", shape: [0, 16], bytes: []) }
      ),
    ]
    for (format, message, edit) in cases {
      let found = try refusal(nil, format, edit)
      #expect(found.contains(message), "\(format): \(found)")
    }
    #expect(
      try refusal(config: Self.config.replacing("32", with: "64"))
        .contains(
          "'l.scales': expected groups of 64, as 'quantize_config.json' says, found 2 in i4_g32")
    )
    #expect(
      try refusal(config: Self.config.replacing("4,", with: "8,"))
        .contains("'l.qweight': expected 8 bits, as 'quantize_config.json' says, found i4_g32"))
    #expect(
      try refusal(config: "{\"quant_method\": \"awq\"}")
        .contains(
          "'l.qweight': expected the layout of 'awq', as 'quantize_config.json' says, found that"))
  }

  /// 256 is no byte, and one more than the greatest quant of fewer bits is a zero point.
  @Test func theGreatestZeroPointIsLegal() throws {
    let most = try load(
      gptq.merging(["l.qzeros": .words([2, 2]) { _ in .max }]) { $1 }, "u4_g32")
    #expect(most.elementBytes[2] == 16)
    let bytes: [String: Raw] = [
      "l.qweight": .words([8, 4]) { _ in 0 }, "l.qzeros": .words([1, 1]) { _ in 0x00ff_0000 },
      "l.scales": Raw(type: "F16", shape: [1, 4], bytes: [UInt8](repeating: 0x3c, count: 8)),
    ]
    #expect(
      try refusal(bytes, "u8_g32", config: "{\"bits\": 8}").contains(
        "'l.qzeros': expected zero points up to 255, found 256 (group 0, column 2)"))
  }

  @Test func onlyOneOfTheLayoutsOfAWQIsRead() throws {
    let tensors: [String: Raw] = [
      "l.qweight": .words([64, 2]) { UInt32($0) &* 0x9e37_79b9 },
      "l.qzeros": .words([2, 2]) { _ in 0x8888_8888 },
      "l.scales": gptq["l.scales"] ?? Raw(type: "", shape: [], bytes: []),
    ]
    let format = BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: false)
    let values = format.decoded(try load(tensors, "i4_g32", config: nil))
    // Column 8 + 5 of row 3 is at place 6 of the word [3, 1].
    #expect(values[13 * 64 + 3] == Float((UInt32(7) &* 0x9e37_79b9) >> 24 & 15) - 8)
    #expect(
      try refusal(tensors, config: "{\"quant_method\": \"awq\", \"version\": \"gemv\"}").contains(
        "'l.qweight': expected the layout 'gemm', found 'gemv', as 'quantize_config.json' says"))
  }
}
