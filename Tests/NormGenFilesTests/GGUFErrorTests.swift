import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Every lie of a `.gguf` header is named, with what was expected.
@Suite struct GGUFErrorTests {
  let folder: TemporaryFolder
  var path: String { folder["m.gguf"] }

  init() throws { folder = try TemporaryFolder() }

  func expect(
    _ error: TensorFileError, _ sample: GGUFSample,
    location: Testing.SourceLocation = #_sourceLocation
  ) throws {
    _ = try folder.file("m.gguf", sample.bytes)
    #expect(throws: error, sourceLocation: location) { try GGUFFile(path) }
  }

  func expect(
    _ error: TensorFileError, key: String = "k", _ value: [UInt8],
    location: Testing.SourceLocation = #_sourceLocation
  ) throws {
    try expect(
      error, .plain("w", metadata: [(key: key, value: value)]), location: location)
  }

  @Test func otherBeginningsAreNamed() throws {
    var sample = GGUFSample.plain("w")
    sample.magic = Array("ggjt".utf8)
    try expect(
      .magic(file: path, expected: "a .gguf file, which begins with 'GGUF'", found: "ggjt"), sample)
    for version: UInt32 in [0, 1, 4, 0xffff] {
      sample = .plain("w")
      sample.version = version
      try expect(
        .version(file: path, expected: ".gguf version 2 or 3", found: "\(version)"), sample)
    }
    for version: UInt32 in [1, 2, 3] {
      sample.version = version.byteSwapped
      try expect(.bigEndian(file: path), sample)
    }
  }

  @Test func everyTruncationIsNoticed() throws {
    var sample = GGUFSample.plain(
      "a", "b",
      metadata: [
        (key: "text", value: value(.string, string("x"))),
        (key: "list", value: array(.uint32, 2, [UInt8](repeating: 0, count: 8))),
      ])
    sample.fillsLast = false
    let bytes = sample.bytes
    _ = try GGUFFile(try folder.file("m.gguf", bytes))
    for count in bytes.indices {
      _ = try folder.file("m.gguf", Array(bytes[..<count]))
      let error = #expect(throws: TensorFileError.self) { try GGUFFile(path) }
      switch error {
      case .truncated(path, let expected, count): #expect(expected > count)
      case .cutOff(path, _, bytes.count, count), .cutOff(path, "a", bytes.count - 32, count): break
      case .count(path, _, let limit, let found): #expect(found > limit)
      case .placement(
        path, "b", "within the \(count - (bytes.count - 48)) bytes behind the header", 32),
        .placement(path, "b", "within the 0 bytes behind the header", 32):
        break
      default: Issue.record("\(count) bytes: \(String(describing: error))")
      }
    }
  }

  @Test func bytesAfterTheTensorsAreNoticed() throws {
    let sample = GGUFSample.plain("w")
    let bytes = sample.bytes
    _ = try folder.file("m.gguf", bytes + [0])
    #expect(
      throws: TensorFileError.trailing(
        file: path, expectedBytes: bytes.count, foundBytes: bytes.count + 1)
    ) { try GGUFFile(path) }
  }

  @Test func lyingCountsAreNamed() throws {
    for count in [UInt64(3), 1 << 32, 1 << 63, .max] {
      var sample = GGUFSample.plain("w")
      sample.tensorCount = count
      // Behind the number: that of the keys, the tensor's entry, the alignment, the data.
      let rest = sample.bytes.count - 16
      try expect(
        count == 3
          ? .truncated(file: path, expectedBytes: 0, foundBytes: 0)
          : .count(file: path, of: "tensors", atMost: rest / 24, found: count),
        sample, orTruncated: count == 3)
      sample = .plain("w")
      sample.keyCount = count
      try expect(
        .count(
          file: path, of: "keys of metadata", atMost: (sample.bytes.count - 24) / 13, found: count),
        sample, orTruncated: count == 3)
    }
    for (type, size) in [(GGUFValueType.uint8, 1), (.uint64, 8), (.string, 8), (.array, 12)] {
      for count in [UInt64(1) << 40, .max] {
        let bytes = GGUFSample.plain("w", metadata: [(key: "k", value: array(type, count, []))])
          .bytes
        // Behind the header's numbers, the key, the types and the number.
        let rest = bytes.count - (24 + 8 + 1 + 4 + 4 + 8)
        try expect(
          .count(file: path, of: "elements of 'k'", atMost: rest / size, found: count),
          array(type, count, []))
      }
    }
  }

  /// Expects an error, or one of many that say that the file ends too early or is no header.
  private func expect(
    _ error: TensorFileError, _ sample: GGUFSample, orTruncated: Bool
  ) throws {
    guard orTruncated else { return try expect(error, sample) }
    _ = try folder.file("m.gguf", sample.bytes)
    let found = #expect(throws: TensorFileError.self) { try GGUFFile(path) }
    #expect(found?.description.hasPrefix("'\(path)'") == true)
  }

  @Test func lyingLengthsOfTextsAreNamed() throws {
    for length in [UInt64(1) << 20, .max] {
      try expect(
        .count(
          file: path, of: "bytes of the value of 'k'",
          atMost: GGUFSample.plain(
            "w", metadata: [(key: "k", value: value(.string, little(length)))]
          )
          .bytes.count - (24 + 8 + 1 + 4 + 8), found: length),
        value(.string, little(length)))
    }
    var sample = GGUFSample.plain("w")
    sample.tensorCount = 1
    var bytes = sample.bytes
    bytes.replaceSubrange(24..<32, with: little(UInt64.max))
    _ = try folder.file("m.gguf", bytes)
    #expect(
      throws: TensorFileError.count(
        file: path, of: "bytes of the name of tensor 0", atMost: bytes.count - 32, found: .max)
    ) { try GGUFFile(path) }
    let long = String(repeating: "n", count: 65_536)
    try expect(
      .syntax(
        file: path, place: "byte 24", expected: "key 0 of the metadata of at most 65535 bytes",
        found: "65536"), key: long, value(.uint8, [0]))
  }

  @Test func wrongValuesOfMetadataAreNamed() throws {
    try expect(
      .value(file: path, key: "k", expected: "of a type from 0 to 12", found: "13"),
      little(UInt32(13)))
    try expect(
      .value(file: path, key: "k", expected: "of a type from 0 to 12", found: "4294967295"),
      value(.array, little(UInt32.max) + little(UInt64(0))))
    try expect(
      .value(file: path, key: "k", expected: "0 or 1 where it is true or false", found: "2"),
      value(.bool, [2]))
    try expect(
      .syntax(
        file: path, place: "byte 45", expected: "the value of 'k' in UTF-8", found: "'\u{fffd}a'"),
      value(.string, little(UInt64(2)) + [0xff, 0x61]))
    try expect(
      .syntax(
        file: path, place: "byte 24", expected: "key 0 of the metadata", found: "an empty one"),
      key: "", value(.uint8, [0]))
    try expect(
      .duplicateKey(file: path, key: "k"),
      .plain(
        "w",
        metadata: [(key: "k", value: value(.uint8, [0])), (key: "k", value: value(.uint8, [1]))]))
  }

  @Test func arraysAreNestedInBounds() throws {
    func nested(_ depth: Int) -> [UInt8] {
      var bytes = little(GGUFValueType.uint8.rawValue) + little(UInt64(1)) + [42]
      for _ in 1..<depth {
        bytes = little(GGUFValueType.array.rawValue) + little(UInt64(1)) + bytes
      }
      return value(.array, bytes)
    }
    _ = try folder.file(
      "m.gguf", GGUFSample.plain("w", metadata: [(key: "k", value: nested(8))]).bytes)
    #expect(try GGUFFile(path).metadata["k"] != nil)
    for depth in [9, 100_000] {
      try expect(
        .value(
          file: path, key: "k", expected: "of at most 8 arrays in one another", found: "more"),
        nested(depth))
    }
  }

  /// A file that is long enough for the header it claims, without its bytes.
  @Test func headersBeyondAnyUseAreRefused() throws {
    let start = GGUFSample.plain(
      "w", metadata: [(key: "k", value: array(.uint8, 200_000_000, []))])
    _ = try folder.file("m.gguf", start.bytes)
    try #require(truncate(path, 300_000_000) == 0)
    #expect(
      throws: TensorFileError.headerLength(
        file: path, atMost: 100_000_000, found: 200_000_000 + 24 + 8 + 1 + 4 + 4 + 8)
    ) { try GGUFFile(path) }
  }

  @Test func messagesAreShortAndSaySomething() throws {
    let long = String(repeating: "n", count: 60_000)
    let samples: [GGUFSample] = [
      .plain("w", metadata: [(key: long, value: little(UInt32(99)))]),
      .plain("w", metadata: [(key: long, value: array(.string, .max, []))]),
      .plain("w", metadata: [(key: long, value: value(.string, little(UInt64.max)))]),
      .plain(long, long),
      GGUFSample(tensors: [.init(long, [4], 77, [])]),
      GGUFSample(tensors: [.init(long, [33], 2, [])]),
      GGUFSample(tensors: [.init(long, [.max, .max, .max, .max], 0, [])]),
      GGUFSample(tensors: [.init(long, [4], 0, [], offset: 5)]),
    ]
    for sample in samples {
      _ = try folder.file("m.gguf", sample.bytes)
      let error = #expect(throws: TensorFileError.self) { try GGUFFile(path) }
      let text = try #require(error).description
      #expect(text.hasPrefix("'\(path)'") && text.utf8.count < path.utf8.count + 900, "\(text)")
    }
    let placement = TensorFileError.placement(
      file: "m.gguf", tensor: "w", expected: "at a multiple of 32 bytes", found: 33)
    #expect(
      placement.description
        == "'m.gguf', tensor 'w': expected its data at a multiple of 32 bytes, found it at byte 33")
    let count = TensorFileError.count(file: "m.gguf", of: "tensors", atMost: 2, found: .max)
    #expect(
      count.description
        == "'m.gguf': expected at most 2 tensors in the rest of the file, found 18446744073709551615"
    )
    let near = TensorFileError.noTensor(
      file: "m.gguf", name: "blk.0.attn_q.weigth",
      names: (0..<30).flatMap { ["blk.\($0).attn_q.weight", "blk.\($0).ffn_up.weight"] })
    #expect(
      near.description.hasPrefix(
        "'m.gguf': there is no tensor 'blk.0.attn_q.weigth'; did you mean 'blk.0.attn_q.weight' or "
      ),
      "\(near)")
  }
}
