import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

@Suite struct SafetensorsFileTests {
  @Test(arguments: DType.allCases, shapes)
  func everyTypeAndShapeSurvivesARoundTrip(storage: DType, shape: [Int]) throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor(shape, storage)
    try SafetensorsFile.write([("t", tensor)], to: folder["w.safetensors"])
    let read = try SafetensorsFile(folder["w.safetensors"]).load("t", as: storage)
    #expect(read.shape == shape)
    #expect(read.storage == storage)
    #expect(read.elementBytes == tensor.elementBytes)
    #expect(try folder.names() == ["w.safetensors"])
  }

  @Test func severalTensorsKeepTheirNamesAndAlignment() throws {
    let folder = try TemporaryFolder()
    let tensors: [(name: String, tensor: HostTensor)] = [
      ("half", try seededTensor([3], .bf16, seed: 1)),
      ("z \"quoted\" \\ / ü\n", try seededTensor([2, 2], .f32, seed: 2)),
      ("empty", try seededTensor([0], .f16, seed: 3)),
      ("a", try seededTensor([5], .f32, seed: 4)),
    ]
    try SafetensorsFile.write(
      tensors, metadata: ["source": "a \"test\""], to: folder["w.safetensors"])
    let file = try SafetensorsFile(folder["w.safetensors"])
    #expect(file.metadata == ["source": "a \"test\""])
    #expect(
      file.entries.map(\.name) == ["a", "z \"quoted\" \\ / ü\n", "empty", "half"])
    for (name, tensor) in tensors {
      #expect(try file.load(name).elementBytes == tensor.elementBytes)
    }
    let bytes = try folder.bytes("w.safetensors")
    let header = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    #expect(header % 8 == 0 && bytes[8] == UInt8(ascii: "{"))
    for entry in file.entries {
      #expect(entry.bytes.lowerBound % (entry.type.bitCount / 8) == 0)
    }

    try SafetensorsFile.write(
      tensors.reversed(), metadata: ["source": "a \"test\""], to: folder["v.safetensors"])
    #expect(try folder.bytes("v.safetensors") == bytes)
  }

  @Test func theRealTensorsAreRead() throws {
    let file = try SafetensorsFile(realTensors)
    #expect(file.entries.map(\.name) == ["expected", "gain", "shift", "x"])
    #expect(file.metadata["source"]?.hasPrefix("all-MiniLM-L6-v2") == true)
    // The shapes and places that the header of this very file declares.
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: realTensors)))
    let origin = 8 + 464
    for (name, shape, place) in [
      ("expected", [128, 384], 0..<196_608), ("gain", [384], 196_608..<198_144),
      ("shift", [384], 198_144..<199_680), ("x", [128, 384], 199_680..<396_288),
    ] {
      let tensor = try file.load(name, as: .f32)
      #expect(tensor.shape == shape)
      #expect(
        tensor.elementBytes[...] == bytes[(origin + place.lowerBound)..<(origin + place.upperBound)]
      )
    }
  }

  @Test func tensorsAreChosenByName() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    let tensor = try seededTensor([2], .f32)
    try SafetensorsFile.write([("only", tensor)], to: path)
    #expect(try SafetensorsFile(path).load().elementBytes == tensor.elementBytes)
    #expect(throws: TensorFileError.noTensor(file: path, name: "x", names: ["only"])) {
      try SafetensorsFile(path).load("x")
    }
    try SafetensorsFile.write([("a", tensor), ("b", tensor)], to: path)
    #expect(throws: TensorFileError.unnamed(file: path, names: ["a", "b"])) {
      try SafetensorsFile(path).load()
    }
    try SafetensorsFile.write([], to: path)
    #expect(throws: TensorFileError.unnamed(file: path, names: [])) {
      try SafetensorsFile(path).load()
    }
  }

  @Test func everyTypeIsListedAndOnlyStorageTypesAreLoaded() throws {
    let folder = try TemporaryFolder()
    for type in SafetensorsType.allCases {
      // Four elements fill whole bytes in every type.
      let size = type.bitCount / 2
      let path = try folder.file(
        "w.safetensors",
        safetensors(
          #"{"t":{"dtype":"\#(type.rawValue)","shape":[4],"data_offsets":[0,\#(size)]}}"#,
          elementBytes: size))
      let file = try SafetensorsFile(path)
      #expect(file.entries.map(\.type) == [type])
      if let storage = type.storage {
        #expect(try file.load("t").storage == storage)
        for other in DType.allCases where other != storage {
          #expect(
            throws: TensorFileError.elementType(
              file: path, tensor: "t", expected: other, found: type.rawValue)
          ) { try file.load("t", as: other) }
        }
      } else {
        #expect(
          throws: TensorFileError.elementType(
            file: path, tensor: "t", expected: nil, found: type.rawValue)
        ) { try file.load("t") }
      }
    }
  }

  @Test func lyingHeaderLengthsAreNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    func expect(_ error: TensorFileError, _ bytes: [UInt8]) throws {
      _ = try folder.file("w.safetensors", bytes)
      #expect(throws: error) { try SafetensorsFile(path) }
    }
    try expect(.truncated(file: path, expectedBytes: 8, foundBytes: 0), [])
    try expect(
      .truncated(file: path, expectedBytes: 8, foundBytes: 7), [1, 0, 0, 0, 0, 0, 0])
    let rest = Array("{}".utf8)
    try expect(.headerLength(file: path, atMost: 2, found: 3), [3, 0, 0, 0, 0, 0, 0, 0] + rest)
    try expect(
      .headerLength(file: path, atMost: 2, found: .max), [UInt8](repeating: 0xff, count: 8) + rest)

    // A file that is long enough for a header beyond the format's limit, without its bytes.
    _ = try folder.file("w.safetensors", [1, 0xe1, 0xf5, 5, 0, 0, 0, 0] + rest)
    try #require(truncate(path, 200_000_000) == 0)
    #expect(
      throws: TensorFileError.headerLength(
        file: path, atMost: 100_000_000, found: 100_000_001)
    ) { try SafetensorsFile(path) }
  }

  @Test func lyingOffsetsAreNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    func expect(_ error: TensorFileError, _ header: String, _ elementBytes: Int) throws {
      _ = try folder.file("w.safetensors", safetensors(header, elementBytes: elementBytes))
      #expect(throws: error, "\(header)") { try SafetensorsFile(path) }
    }
    func two(_ a: [Int], _ b: [Int]) -> String {
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":\#(a)},"#
        + #""b":{"dtype":"F32","shape":[2],"data_offsets":\#(b)}}"#
    }
    let origin = 8 + two([0, 8], [8, 16]).utf8.count
    try expect(
      .truncated(file: path, expectedBytes: origin + 16, foundBytes: origin + 15),
      two([0, 8], [8, 16]), 15)
    try expect(
      .trailing(file: path, expectedBytes: origin + 16, foundBytes: origin + 17),
      two([0, 8], [8, 16]), 17)
    // An overlap, a hole between, a hole in front.
    try expect(
      .offset(file: path, tensor: "b", expected: 8, found: 4), two([0, 8], [4, 12]), 16)
    try expect(
      .offset(file: path, tensor: "b", expected: 8, found: 12), two([0, 8], [12, 20]), 20)
    try expect(
      .offset(file: path, tensor: "b", expected: 0, found: 8), two([16, 24], [8, 16]), 24)
    try expect(
      .offset(file: path, tensor: "b", expected: 8, found: 0), two([0, 8], [0, 8]), 8)
    try expect(
      .tensorSize(file: path, tensor: "a", expectedBytes: 8, foundBytes: 9),
      two([0, 9], [9, 17]), 17)
    for offsets in [[8, 0], [-8, 0], [0], [], [0, 8, 8], [0, .max]] {
      try expect(
        .offsets(file: path, tensor: "a", found: offsets), two(offsets, [8, 16]), 16)
    }
    try expect(
      .shape(file: path, tensor: "a", found: "[-2]"),
      #"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8)
    try expect(
      .shape(file: path, tensor: "a", found: "[4294967296, 4294967296]"),
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#, 8)
    // Three elements of four bits end inside a byte.
    try expect(
      .tensorSize(file: path, tensor: "a", expectedBytes: 2, foundBytes: 2),
      #"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#, 2)
    try expect(
      .elementType(file: path, tensor: "a", expected: nil, found: "F128"),
      #"{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}"#, 16)
  }

  @Test func repeatedNamesAreNoticed() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    let tensor = #"{"dtype":"F32","shape":[],"data_offsets":[0,4]}"#
    let headers = [
      (#"{"a":\#(tensor),"a":\#(tensor)}"#, "a"),
      // The same name by an escape.
      (#"{"ab":\#(tensor),"a\u0062":\#(tensor)}"#, "ab"),
      (#"{"a":{"dtype":"F32","shape":[],"shape":[],"data_offsets":[0,4]}}"#, "shape"),
      (#"{"__metadata__":{"k":"1","k":"2"},"a":\#(tensor)}"#, "k"),
    ]
    for (header, key) in headers {
      _ = try folder.file("w.safetensors", safetensors(header, elementBytes: 4))
      #expect(throws: TensorFileError.duplicateKey(file: path, key: key), "\(header)") {
        try SafetensorsFile(path)
      }
    }
    // Equal keys of different objects, and keys as values, are no repetition.
    let metadata = #"{"__metadata__":{"a":"a","shape":"a"},"a":\#(tensor)}"#
    _ = try folder.file("w.safetensors", safetensors(metadata, elementBytes: 4))
    #expect(try SafetensorsFile(path).entries.map(\.name) == ["a"])
  }

  @Test func headersThatAreNoJSONOfTheFormatAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    func error(_ header: [UInt8]) throws -> TensorFileError? {
      let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
      _ = try folder.file("w.safetensors", length + header)
      return #expect(throws: TensorFileError.self, "\(String(decoding: header, as: UTF8.self))") {
        try SafetensorsFile(path)
      }
    }
    let broken = [
      "", "[]", " {}", "{", "{}}", "{]", #"{"a":}"#, #"{"a" {}}"#, "{'a':1}", "{}\u{0}",
      #"{"a" : "#, #"{"a\x":{}}"#, #"{"\ud800":{}}"#, "{\"a\nb\":{}}", #"{"a"#,
    ]
    for header in broken {
      guard case .syntax(path, _, _, _) = try error(Array(header.utf8)) else {
        Issue.record("\(header.prefix(80))")
        continue
      }
    }
    // Not UTF-8.
    guard case .syntax = try error([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) else {
      Issue.record("text that is not UTF-8 was read")
      return
    }
    let wrong: [(String, String)] = [
      (#"{"a":1}"#, "a"), (#"{"a":[]}"#, "a"),
      (#"{"a":{"dtype":32,"shape":[],"data_offsets":[0,4]}}"#, "a.dtype"),
      (#"{"a":{"dtype":"F32","shape":2,"data_offsets":[0,4]}}"#, "a.shape"),
      (#"{"a":"# + String(repeating: "[", count: 100_000), "a"), (#"{"a":null}"#, "a"),
      (#"{"__metadata__":{"k":1}}"#, "__metadata__.k"),
    ]
    for (header, key) in wrong {
      guard case .value(path, key, _, _) = try error(Array(header.utf8)) else {
        Issue.record("\(header): \(String(describing: try error(Array(header.utf8))))")
        continue
      }
    }
    #expect(
      try error(
        Array(#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"extra":1}}"#.utf8))
        == .unknownKey(file: path, key: "a.extra", known: ["dtype", "shape", "data_offsets"]))
    #expect(
      try error(Array(#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#.utf8))
        == .missingKey(file: path, key: "a.shape"))
  }

  @Test(arguments: [
    "0.0", "8.0", "1e1", "8E0", "true", "null", "\"8\"", "[8]", "{}", "+8", "08", "0x8", "8.",
    "18446744073709551616", "999999999999999999999999999999",
  ]) func onlyDigitsAreIntegers(_ number: String) throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    for key in ["shape", "data_offsets"] {
      let texts = ["shape": key == "shape" ? "[\(number)]" : "[2]"]
      let offsets = key == "shape" ? "[0,8]" : "[0,\(number)]"
      let header =
        #"{"a":{"dtype":"F32","shape":\#(texts["shape"] ?? ""),"data_offsets":\#(offsets)}}"#
      _ = try folder.file("w.safetensors", safetensors(header, elementBytes: 8))
      let error = #expect(throws: TensorFileError.self, "\(header)") { try SafetensorsFile(path) }
      guard case .value(path, "a.\(key)", "a list of integers", let found) = error else {
        Issue.record("\(header): \(String(describing: error))")
        continue
      }
      #expect(found.hasPrefix("'\(number.prefix(20))"))
    }
  }

  @Test func integersBeyondWhatEveryReaderHasAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    func error(_ shape: String, _ offsets: String) throws -> TensorFileError? {
      let header = #"{"a":{"dtype":"F32","shape":\#(shape),"data_offsets":\#(offsets)}}"#
      _ = try folder.file("w.safetensors", safetensors(header, elementBytes: 0))
      return #expect(throws: TensorFileError.self) { try SafetensorsFile(path) }
    }
    let beyond = 1 << 53 + 1
    #expect(
      try error("[0,\(beyond)]", "[0,0]")
        == .shape(file: path, tensor: "a", found: "[0, \(beyond)]"))
    #expect(
      try error("[2]", "[0,\(beyond)]")
        == .offsets(file: path, tensor: "a", found: [0, beyond]))
    #expect(
      try error("[-1]", "[0,0]") == .shape(file: path, tensor: "a", found: "[-1]"))
  }

  /// The format fills headers with blanks; zero bytes are named, not taken for other text.
  @Test func headersFilledWithZeroBytesAreNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    let object = #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#
    let blanks = object + "   \n"
    _ = try folder.file("w.safetensors", safetensors(blanks, elementBytes: 4))
    #expect(try SafetensorsFile(path).entries.map(\.name) == ["a"])
    _ = try folder.file(
      "w.safetensors", safetensors(object + "\u{0}\u{0}\u{0}", elementBytes: 4))
    #expect(
      throws: TensorFileError.syntax(
        file: path, place: "byte \(8 + object.utf8.count)",
        expected: "only blanks behind the JSON object", found: "zero bytes")
    ) { try SafetensorsFile(path) }
  }

  /// A header of megabytes that is wrong gives a message of a line or two, at once.
  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[],"data_offsets":["# + String(repeating: "1,", count: 1 << 20)
      + "1]}}",
    #"{"a":{"dtype":"F32","shape":["# + String(repeating: "1,", count: 1 << 20)
      + #"1],"data_offsets":[0,0]}}"#,
    #"{"a":{"dtype":""# + String(repeating: "F", count: 1 << 20)
      + #"","shape":[],"data_offsets":[0,4]}}"#,
    #"{""# + String(repeating: "n", count: 1 << 20)
      + #"":{"dtype":"F32","shape":[],"data_offsets":[0,3]}}"#,
    #"{""# + String(repeating: "n", count: 1 << 20) + #"":{"what":1}}"#,
    #"{"a":{""# + String(repeating: "n", count: 1 << 20) + #"":1}}"#,
    #"{"a":"# + String(repeating: "9", count: 1 << 20) + "}",
  ]) func messagesOfLongHeadersAreShort(_ header: String) throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("w.safetensors", safetensors(header, elementBytes: 4))
    let error = #expect(throws: TensorFileError.self) {
      try SafetensorsFile(folder["w.safetensors"])
    }
    let text = try #require(error).description
    #expect(text.utf8.count < folder.path.utf8.count + 600, "\(text.prefix(1000))")
  }

  @Test func namesThatCannotBeWrittenAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder["w.safetensors"]
    let tensor = try seededTensor([2], .f32)
    #expect(throws: TensorFileError.writtenTwice(file: path, tensor: "a")) {
      try SafetensorsFile.write([("a", tensor), ("a", tensor)], to: path)
    }
    #expect(throws: TensorFileError.reservedName(file: path, name: "__metadata__")) {
      try SafetensorsFile.write([("__metadata__", tensor)], to: path)
    }
    #expect(try folder.names() == [])
  }

  /// A file with this header and zeros as elements.
  private func safetensors(_ header: String, elementBytes: Int) -> [UInt8] {
    let text = Array(header.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
      + [UInt8](repeating: 0, count: elementBytes)
  }
}

/// The committed tensors of a real model.
let realTensors = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Examples/Data/minilm_embedding_norm.safetensors").path
