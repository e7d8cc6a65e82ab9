import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// `.gguf` files of tensors in blocks.
@Suite struct GGUFWritingTests {
  /// Multiples of an eighth, as `BlockVectors/record.py` has them.
  private func blocks(_ shape: [Int], _ format: BlockFormat) throws -> BlockTensor {
    let count = try HostTensor.count(of: shape)
    let values = (0..<count).map { Float($0 % 37 - 11) / 8 }
    return try BlockQuantizer(format).quantize(HostTensor(values, shape: shape))
  }

  @Test func filesAreThoseOfGGMLsOwnWriter() throws {
    let folder = try TemporaryFolder()
    try GGUFFile.write(
      [
        ("blk.0.attn_q.weight", try blocks([2, 3, 64], .q4_0)),
        ("zwölf", try blocks([5, 32], .q8_0)),
      ], to: folder["m.gguf"])
    let written = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("BlockVectors/written.gguf")
    #expect(try folder.bytes("m.gguf") == [UInt8](try Data(contentsOf: written)))
    #expect(try folder.names() == ["m.gguf"])
  }

  @Test(arguments: BlockQuantizer.formats) func whatIsWrittenIsRead(_ format: BlockFormat) throws {
    let folder = try TemporaryFolder()
    for shape in [[32], [3, 64], [0, 32], [2, 0], [2, 1, 3, 32]] {
      let blocks = try blocks(shape, format)
      try GGUFFile.write([("w", blocks)], to: folder["m.gguf"])
      let file = try GGUFFile(folder["m.gguf"])
      #expect(file.version == 3 && file.alignment == 32)
      #expect(file.metadata == ["general.quantization_version": .uint32(2)])
      #expect(file.entries.map(\.name) == ["w"] && file.entries[0].type.format == format)
      let read = try file.load("w", as: .f32)
      #expect(read.shape == shape)
      #expect(try read.elementBytes == blocks.decoded().elementBytes)
    }
  }

  @Test func namesAreThoseThatGGMLReads() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("m.gguf", [1, 2, 3])
    let tensor = try blocks([32], .q4_1)
    let longest = String(repeating: "ü", count: 31) + "x"
    func expect(
      _ error: TensorFileError, _ tensors: [(name: String, tensor: BlockTensor)],
      location: Testing.SourceLocation = #_sourceLocation
    ) throws {
      #expect(throws: error, sourceLocation: location) { try GGUFFile.write(tensors, to: path) }
      #expect(try folder.names() == ["m.gguf"], sourceLocation: location)
      #expect(try folder.bytes("m.gguf") == [1, 2, 3], sourceLocation: location)
    }
    try expect(.reservedName(file: path, name: ""), [("", tensor)])
    try expect(.reservedName(file: path, name: "a\0b"), [("w", tensor), ("a\0b", tensor)])
    let bytes = SystemText.text(of: [UInt8(ascii: "w"), 0xff])
    try expect(.reservedName(file: path, name: bytes), [(bytes, tensor)])
    let long = TensorFileError.nameLength(
      file: path, tensor: longest + "y", atMost: 63, found: 64)
    try expect(long, [(longest + "y", tensor)])
    #expect(
      long.description
        == "'\(path)', tensor '\(longest)y': expected a name of at most 63 bytes, as ggml "
        + "reads, found 64")
    try expect(.writtenTwice(file: path, tensor: "w"), [("w", tensor), ("w", tensor)])
    try expect(
      .rank(file: path, tensor: "w", atMost: 4, found: 5),
      [("w", try blocks([1, 1, 1, 1, 32], .q4_1))])
    try GGUFFile.write([(longest, tensor)], to: path)
    #expect(try GGUFFile(path).entries.map(\.name) == [longest])
  }

  @Test func placesAreThoseOfAllWriters() throws {
    let folder = try TemporaryFolder()
    let tensor = try blocks([32], .q8_0)
    #expect(throws: TensorFileError.notRegular(file: folder.path, found: "a directory")) {
      try GGUFFile.write([("w", tensor)], to: folder.path)
    }
    try GGUFFile.write([("w", tensor)], to: folder["m.gguf"])
    #expect(
      throws: TensorFileError.replacesInput(
        file: folder["m.gguf"], input: folder["./m.gguf"])
    ) {
      try GGUFFile.write(
        [("w", tensor)], to: folder["m.gguf"], notReplacing: [folder["./m.gguf"]])
    }
    // No tensors are a file, too.
    try GGUFFile.write([], to: folder["none.gguf"])
    #expect(try GGUFFile(folder["none.gguf"]).entries.isEmpty)
  }
}
