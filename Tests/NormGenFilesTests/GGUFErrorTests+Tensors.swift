import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Lies about tensors: their places, shapes, types and names.
extension GGUFErrorTests {
  @Test func wrongAlignmentsAreNamed() throws {
    let key = "general.alignment"
    let expected = "a power of two from 8 on, as uint32"
    for alignment: UInt32 in [0, 1, 4, 24, 33, .max] {
      try expect(
        .value(file: path, key: key, expected: expected, found: "\(alignment)"), key: key,
        value(.uint32, little(alignment)))
    }
    try expect(
      .value(file: path, key: key, expected: expected, found: "uint64"), key: key,
      value(.uint64, little(UInt64(32))))
    // Beyond the file: nothing lies there.
    try expect(
      .cutOff(
        file: path, tensor: "w", expectedBytes: 1 << 31 + 16,
        foundBytes: GGUFSample.plain(
          "w", metadata: [(key: key, value: value(.uint32, little(UInt32(1 << 31))))]
        ).bytes.count), key: key, value(.uint32, little(UInt32(1 << 31))))
    for alignment in [8, 16, 4096] {
      var sample = GGUFSample.plain(
        "a", "b", metadata: [(key: key, value: value(.uint32, little(UInt32(alignment))))])
      sample.alignment = alignment
      _ = try folder.file("m.gguf", sample.bytes)
      #expect(try GGUFFile(path).load("b").doubles == [4, 5, 6, 7])
    }
  }

  @Test func lyingPlacesAreNamed() throws {
    func placed(_ a: UInt64?, _ b: UInt64?) -> GGUFSample {
      var sample = GGUFSample.plain("a", "b")
      sample.tensors[0].offset = a
      sample.tensors[1].offset = b
      return sample
    }
    func error(_ tensor: String, _ expected: String, _ found: UInt64) -> TensorFileError {
      .placement(file: path, tensor: tensor, expected: expected, found: found)
    }
    // No multiple of the alignment, an overlap, a hole, beyond the file.
    try expect(error("b", "at a multiple of 32 bytes", 33), placed(0, 33))
    try expect(error("b", "at byte 32, behind the tensor before it", 0), placed(0, 0))
    try expect(error("a", "at byte 0, behind the tensor before it", 32), placed(32, 64))
    try expect(error("b", "at byte 32, behind the tensor before it", 64), placed(0, 64))
    try expect(error("b", "within the 64 bytes behind the header", 96), placed(0, 96))
    try expect(
      error("b", "within the 64 bytes behind the header", .max - 31), placed(0, .max - 31))
    // In another order than the header's they may lie.
    var swapped = placed(32, 0)
    swapped.tensors[0].name = Array("c".utf8)
    _ = try folder.file("m.gguf", swapped.bytes)
    #expect(try GGUFFile(path).load("c").doubles == [4, 5, 6, 7])
  }

  @Test func lyingShapesAreNamed() throws {
    func shaped(_ extents: [UInt64], type: UInt32 = 0) -> GGUFSample {
      GGUFSample(tensors: [.init("w", extents, type, [UInt8](repeating: 0, count: 64))])
    }
    let origin = shaped([4, 4]).bytes.count - 64
    try expect(
      .cutOff(file: path, tensor: "w", expectedBytes: origin + 80, foundBytes: origin + 64),
      shaped([4, 5]))
    try expect(
      .trailing(file: path, expectedBytes: origin + 32, foundBytes: origin + 64), shaped([4, 2]))
    for extents in [
      [1 << 32, 1 << 32], [1 << 63], [.max], [1 << 21, 1 << 21, 1 << 21], [0, .max], [.max, 0],
    ] as [[UInt64]] {
      try expect(
        .shape(file: path, tensor: "w", found: "\(Array(extents.reversed()))"), shaped(extents))
    }
    // Fewer bytes than addresses, but more than any file.
    let huge: UInt64 = 1 << 54
    let error = #expect(throws: TensorFileError.self) {
      try GGUFFile(try folder.file("m.gguf", shaped([huge]).bytes))
    }
    guard case .cutOff(path, "w", _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try expect(.rank(file: path, tensor: "w", atMost: 4, found: 5), shaped([1, 1, 1, 1, 1]))
    var lying = shaped([4, 4]).bytes
    lying.replaceSubrange(33..<37, with: little(UInt32.max))
    _ = try folder.file("m.gguf", lying)
    #expect(
      throws: TensorFileError.rank(file: path, tensor: "w", atMost: 4, found: Int(UInt32.max))
    ) { try GGUFFile(path) }
    for (type, extent, multiple, name) in [
      (UInt32(2), UInt64(33), 32, "q4_0"), (12, 32, 256, "q4_K"), (20, 1, 32, "iq4_nl"),
    ] {
      try expect(
        .rowLength(file: path, tensor: "w", multiple: multiple, type: name, found: extent),
        shaped([extent], type: type))
    }
    try expect(
      .rowLength(file: path, tensor: "w", multiple: 32, type: "q8_0", found: 1), shaped([], type: 8)
    )
    // Types that were taken out of the format, and those that never were in it.
    for type: UInt32 in [4, 5, 9, 15, 31, 36, 42, .max] {
      try expect(
        .elementType(file: path, tensor: "w", expected: nil, found: "type \(type)"),
        shaped([4, 4], type: type))
    }
  }

  @Test func repeatedNamesAreNoticed() throws {
    try expect(.duplicateKey(file: path, key: "w"), .plain("w", "w"))
    try expect(.duplicateKey(file: path, key: "w"), .plain("w", "v", "w"))
    var sample = GGUFSample.plain("w")
    sample.tensors[0].name = [0xff]
    try expect(
      .syntax(
        file: path, place: "byte 32", expected: "the name of tensor 0 in UTF-8",
        found: "'\u{fffd}'"), sample)
  }
}
