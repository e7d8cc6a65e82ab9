import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// What is read of a `.gguf` file; `GGUFErrorTests` has what is refused.
@Suite struct GGUFFileTests {
  /// Written by gguf.GGUFWriter of the Python package gguf 0.19.0, see `Tests/ReaderFuzzer/corpus_gguf.py`.
  private static let written = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("ReaderFuzzer/Corpus/gguf/written.gguf").path

  @Test func aFileOfGGMLsOwnWriterIsRead() throws {
    let file = try GGUFFile(Self.written)
    #expect(file.version == 3 && file.alignment == 64)
    #expect(file.metadata["general.architecture"] == .string("test"))
    #expect(file.metadata["general.alignment"] == .uint32(64))
    #expect(file.metadata["a.u8"] == .uint8(200) && file.metadata["a.i8"] == .int8(-100))
    #expect(file.metadata["a.u16"] == .uint16(60_000) && file.metadata["a.i16"] == .int16(-30_000))
    #expect(file.metadata["a.u32"] == .uint32(4_000_000_000))
    #expect(file.metadata["a.i32"] == .int32(-2_000_000_000))
    #expect(
      file.metadata["a.u64"] == .uint64(1 << 63) && file.metadata["a.i64"] == .int64(-1 << 62))
    #expect(file.metadata["a.f32"] == .float32(0.5) && file.metadata["a.f64"] == .float64(0.1))
    #expect(file.metadata["a.true"] == .bool(true) && file.metadata["a.false"] == .bool(false))
    #expect(file.metadata["a.text"] == .string("zwölf"))
    #expect(file.metadata["a.texts"] == .array(.string(["x", "", "ü"])))
    #expect(file.metadata["a.integers"] == .array(.int32([1, -2, 3])))
    #expect(file.metadata.count == 17)
    #expect(file.entries.map(\.name) == ["blk.0.attn_q.weight", "output_norm.weight", "half"])
    #expect(file.entries.map(\.type.name) == ["q8_0", "f32", "f16"])
    #expect(file.entries.map(\.shape) == [[2, 32], [3], [1, 2]])
    let blocks = try file.load("blk.0.attn_q.weight", as: .f32)
    // 1 and then −2 times the integers from −16 to 15.
    let quants = (-16..<16).map(Double.init)
    let doubled = quants.map { -2 * $0 }
    #expect(blocks.doubles == quants + doubled)
    #expect(try file.load("output_norm.weight").doubles == [1, 2, 3])
    #expect(try file.load("half", as: .f16).doubles == [0.5, -0.25])
  }

  @Test(arguments: [UInt32(2), 3], [true, false])
  func bothVersionsAreRead(version: UInt32, fillsLast: Bool) throws {
    let folder = try TemporaryFolder()
    var sample = GGUFSample.plain("a", "b")
    sample.version = version
    sample.fillsLast = fillsLast
    let file = try GGUFFile(try folder.file("m.gguf", sample.bytes))
    #expect(file.version == Int(version) && file.alignment == 32 && file.metadata.isEmpty)
    #expect(file.entries.map(\.bytes) == [0..<16, 32..<48])
    #expect(try file.load("b").doubles == [4, 5, 6, 7])
  }

  @Test func theFilesInnermostExtentIsTheLast() throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor([2, 3, 5], .bf16)
    let sample = GGUFSample(
      tensors: [
        .init("w", [5, 3, 2], 30, tensor.elementBytes), .init("scalar", [], 24, [0xff]),
        .init("none", [32, 0], 8, []),
      ])
    let file = try GGUFFile(try folder.file("m.gguf", sample.bytes))
    let read = try file.load("w", as: .bf16)
    #expect(read.shape == [2, 3, 5] && read.elementBytes == tensor.elementBytes)
    #expect(try file.load("scalar", as: .i8).doubles == [-1])
    #expect(try file.load("none", as: .f32).shape == [0, 32])
  }

  @Test func everyTypeIsListedAndOnlyThoseWithAStorageTypeAreLoaded() throws {
    let folder = try TemporaryFolder()
    for type in GGUFTensorType.all {
      let data = [UInt8](repeating: 0, count: 2 * type.byteCount)
      let sample = GGUFSample(
        tensors: [.init("t", [UInt64(type.elementCount), 2], type.number, data)])
      let path = try folder.file("m.gguf", sample.bytes)
      let file = try GGUFFile(path)
      #expect(
        file.entries.map(\.type) == [type] && file.entries[0].shape == [2, type.elementCount])
      for expected in [nil] + DType.allCases {
        if let storage = type.storage, expected == nil || expected == storage {
          let tensor = try file.load("t", as: expected)
          #expect(tensor.storage == storage && tensor.shape == [2, type.elementCount])
        } else {
          #expect(
            throws: TensorFileError.elementType(
              file: path, tensor: "t", expected: expected, found: type.name)
          ) { try file.load("t", as: expected) }
        }
      }
    }
    // Every block format is a type, and no number stands twice.
    #expect(Set(GGUFTensorType.all.map(\.number)).count == GGUFTensorType.all.count)
    #expect(GGUFTensorType.all.compactMap(\.format) == BlockFormat.ggml)
    // The format has neither unsigned bytes nor 8-bit floats.
    #expect(
      Set(GGUFTensorType.all.compactMap(\.storage))
        == Set(DType.allCases).subtracting([.u8, .f8E4M3, .f8E5M2]))
  }

  /// More blocks than are decoded at a time, at both ends of every row.
  @Test func longTensorsOfBlocksAreReadWhole() throws {
    let folder = try TemporaryFolder()
    let count = 20_011
    var blocks: [UInt8] = []
    for index in 0..<count {
      blocks += little(DType.f16.value(index % 2000))
      for element in 0..<32 { blocks.append(UInt8((element * 7 + index) % 256)) }
    }
    let path = try folder.file(
      "m.gguf", GGUFSample(tensors: [.init("w", [32, UInt64(count)], 8, blocks)]).bytes)
    let tensor = try GGUFFile(path).load("w")
    #expect(tensor.shape == [count, 32])
    var wrong = 0
    for index in stride(from: 0, to: count, by: 3) {
      for element in [0, 31] {
        let quant = Int8(truncatingIfNeeded: (element * 7 + index) % 256)
        if tensor[32 * index + element] != Double(index % 2000) * Double(quant) { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  @Test func everyValueOfMetadataIsKeptInItsType() throws {
    let folder = try TemporaryFolder()
    let values: [(GGUFValueType, [UInt8], GGUFValue)] = [
      (.uint8, [255], .uint8(255)), (.int8, [255], .int8(-1)),
      (.uint16, little(UInt16.max), .uint16(.max)), (.int16, little(Int16.min), .int16(.min)),
      (.uint32, little(UInt32.max), .uint32(.max)), (.int32, little(Int32.min), .int32(.min)),
      (.float32, little(Float(0.1).bitPattern), .float32(0.1)), (.bool, [1], .bool(true)),
      (.string, string("ü\n"), .string("ü\n")), (.uint64, little(UInt64.max), .uint64(.max)),
      (.int64, little(Int64.min), .int64(.min)),
      (.float64, little(0.1.bitPattern), .float64(0.1)),
    ]
    var metadata = values.map { (key: "one.\($0.0)", value: value($0.0, $0.1)) }
    metadata += values.map { (key: "two.\($0.0)", value: array($0.0, 2, $0.1 + $0.1)) }
    metadata += values.map { (key: "none.\($0.0)", value: array($0.0, 0, [])) }
    let path = try folder.file("m.gguf", GGUFSample(metadata: metadata).bytes)
    let file = try GGUFFile(path)
    #expect(file.entries.isEmpty && file.metadata.count == 36)
    for (type, _, value) in values {
      #expect(file.metadata["one.\(type)"] == value && value.type == type)
      guard case .array(let two) = file.metadata["two.\(type)"],
        case .array(let none) = file.metadata["none.\(type)"]
      else {
        Issue.record("\(type)")
        continue
      }
      #expect(two.count == 2 && none.count == 0)
    }
    #expect(file.metadata["two.int8"] == .array(.int8([-1, -1])))
    #expect(file.metadata["two.string"] == .array(.string(["ü\n", "ü\n"])))
    #expect(file.metadata["two.float64"] == .array(.float64([0.1, 0.1])))
    #expect(file.metadata["one.uint64"]?.integer == nil)
    #expect(file.metadata["one.int32"]?.integer == Int(Int32.min))
    #expect(file.metadata["one.string"]?.integer == nil)
  }

  @Test func arraysMayHoldArrays() throws {
    let folder = try TemporaryFolder()
    func inner(_ type: GGUFValueType, _ count: UInt64, _ elements: [UInt8]) -> [UInt8] {
      Array(array(type, count, elements).dropFirst(4))
    }
    let metadata = [
      (
        key: "nested",
        value: array(
          .array, 3,
          inner(.uint8, 2, [1, 2])
            + inner(.array, 2, inner(.string, 1, string("x")) + inner(.array, 0, []))
            + inner(.bool, 1, [0]))
      ), (key: "after", value: value(.uint8, [7])),
    ]
    let file = try GGUFFile(try folder.file("m.gguf", GGUFSample(metadata: metadata).bytes))
    #expect(
      file.metadata["nested"]
        == .array(
          .array([
            .uint8([1, 2]), .array([.string(["x"]), .array([])]), .bool([false]),
          ])))
    #expect(file.metadata["after"] == .uint8(7))
  }

  @Test func tensorsAreChosenByName() throws {
    let folder = try TemporaryFolder()
    var path = try folder.file("one.gguf", GGUFSample.plain("only").bytes)
    #expect(try GGUFFile(path).load().doubles == [0, 1, 2, 3])
    #expect(throws: TensorFileError.noTensor(file: path, name: "x", names: ["only"])) {
      try GGUFFile(path).load("x")
    }
    path = try folder.file("two.gguf", GGUFSample.plain("a", "b").bytes)
    #expect(throws: TensorFileError.unnamed(file: path, names: ["a", "b"])) {
      try GGUFFile(path).load()
    }
    path = try folder.file("none.gguf", GGUFSample().bytes)
    #expect(throws: TensorFileError.unnamed(file: path, names: [])) { try GGUFFile(path).load() }
  }

  /// A header longer than the part of the file that is read at a time.
  @Test func longHeadersAreRead() throws {
    let folder = try TemporaryFolder()
    let tokens = (0..<30_000).map { "token \($0)" }
    var sample = GGUFSample.plain("w")
    sample.metadata = [
      (key: "tokens", value: array(.string, 30_000, tokens.flatMap { string($0) })),
      (key: "scores", value: array(.float32, 30_000, (0..<30_000).flatMap { little(UInt32($0)) })),
    ]
    let file = try GGUFFile(try folder.file("m.gguf", sample.bytes))
    #expect(file.metadata["tokens"] == .array(.string(tokens)))
    #expect(try file.load("w").doubles == [0, 1, 2, 3])
  }

  @Test func filesThatChangeWhileTheyAreReadAreRefused() throws {
    let folder = try TemporaryFolder()
    let sample = GGUFSample(
      tensors: [.init("x", [32], 8, [UInt8](repeating: 1, count: 34))], fillsLast: false)
    for grows in [true, false] {
      let path = try folder.file("m.gguf", sample.bytes)
      let file = try GGUFFile(path)
      let size = sample.bytes.count
      #expect(truncate(path, off_t(grows ? size + 1 : size - 1)) == 0)
      let error =
        grows
        ? TensorFileError.changed(file: path)
        : .truncated(file: path, expectedBytes: size, foundBytes: size - 1)
      #expect(throws: error) { try file.load() }
    }
  }
}

extension DType {
  /// The stored bits of a whole number, as 16 bits.
  fileprivate func value(_ number: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: bits(nearest: Double(number)))
  }
}
