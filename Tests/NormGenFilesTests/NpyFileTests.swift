import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

@Suite struct NpyFileTests {
  @Test(arguments: DType.allCases.filter { $0.npyDescription != nil }, shapes)
  func everyTypeAndShapeSurvivesARoundTrip(storage: DType, shape: [Int]) throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor(shape, storage)
    try NpyFile.write(tensor, to: folder["a.npy"])
    let read = try NpyFile(folder["a.npy"]).load(as: storage)
    #expect(read.shape == shape)
    #expect(read.storage == storage)
    #expect(read.elementBytes == tensor.elementBytes)
    #expect(try folder.names() == ["a.npy"])
  }

  @Test(arguments: [DType.f8E4M3, .f8E5M2])
  func eightBitFloatsAreRefusedBeforeAFileIsTouched(storage: DType) throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a.npy", NumPySample.unsignedBytes.bytes)
    let error = TensorFileError.noElementType(file: path, storage)
    #expect(throws: error) { try NpyFile.write(try HostTensor(zeros: [4], storage), to: path) }
    let reference = try TensorReference(path)
    #expect(throws: error) { try TensorFile.check(reference, holds: storage) }
    try TensorFile.check(reference, holds: .u8)
    try TensorFile.check(try TensorReference("a.safetensors:x"), holds: storage)
    #expect("\(error)".contains("can't hold \(storage.rawValue) elements"))
    // Bytes are numbers, not bits.
    #expect(
      throws: TensorFileError.elementType(
        file: path, tensor: nil, expected: storage, found: "|u1")
    ) { try NpyFile(path).load(as: storage) }
    #expect(try folder.names() == ["a.npy"])
    #expect(try folder.bytes("a.npy") == NumPySample.unsignedBytes.bytes)
  }

  @Test func readsWhatNumPyWrites() throws {
    let folder = try TemporaryFolder()
    func load(_ sample: NumPySample, as storage: DType? = nil) throws -> HostTensor {
      try NpyFile(try folder.file("a.npy", sample.bytes)).load(as: storage)
    }
    let scalar = try load(.scalar)
    #expect(scalar.shape == [] && scalar.doubles == [1.5])
    let vector = try load(.vector, as: .f32)
    #expect(vector.shape == [3] && vector.doubles == [1, -2, Double(Float(0.1))])
    let matrix = try load(.matrixOfHalves)
    #expect(matrix.shape == [2, 3] && matrix.storage == .f16)
    #expect(matrix.doubles == [1, 0.5, -0.25, 65504, 0x1p-24, .infinity])
    let signed = try load(.signedBytes)
    #expect(signed.storage == .i8 && signed.doubles == [0, 127, -128, -1])
    let unsigned = try load(.unsignedBytes)
    #expect(unsigned.storage == .u8 && unsigned.doubles == [0, 127, 128, 255])
    let empty = try load(.empty)
    #expect(empty.shape == [0, 5] && empty.count == 0)
    let four = try load(.fourAxes)
    #expect(four.shape == [2, 1, 2, 1] && four.doubles == [0, 1, 2, 3])
    #expect(try load(.filledHeader).shape == [0] + [Int](repeating: 1, count: 12) + [100])
    #expect(try load(.version2).doubles == [3])
    #expect(try load(.version3).doubles == [3])
  }

  @Test func writesTheBytesThatNumPyWrites() throws {
    let folder = try TemporaryFolder()
    let samples: [(NumPySample, DType)] = [
      (.scalar, .f32), (.vector, .f32), (.matrixOfHalves, .f16), (.empty, .f32),
      (.fourAxes, .f32), (.filledHeader, .f32), (.bits, .bf16), (.signedBytes, .i8),
      (.unsignedBytes, .u8),
    ]
    for (sample, storage) in samples {
      let tensor = try NpyFile(try folder.file("a.npy", sample.bytes)).load(as: storage)
      try NpyFile.write(tensor, to: folder["b.npy"])
      #expect(try folder.bytes("b.npy") == sample.bytes, "\(sample.text)")
    }
  }

  @Test func rawSixteenBitElementsAreBfloat16OnlyWhereItIsAskedFor() throws {
    let folder = try TemporaryFolder()
    for sample in [NumPySample.bits, .rawBits] {
      let path = try folder.file("a.npy", sample.bytes)
      let file = try NpyFile(path)
      #expect(try file.load(as: .bf16).doubles == [1, -2])
      #expect(throws: TensorFileError.ambiguousType(file: path, found: file.typeDescription)) {
        try file.load()
      }
      for storage in [DType.f32, .f16] {
        #expect(
          throws: TensorFileError.elementType(
            file: path, tensor: nil, expected: storage, found: file.typeDescription)
        ) { try file.load(as: storage) }
      }
    }
  }

  @Test func otherElementTypesAreRefusedAndNeverConverted() throws {
    let folder = try TemporaryFolder()
    let samples: [(NumPySample, DType?, String)] = [
      (.doubles, .f32, "<f8"), (.doubles, nil, "<f8"), (.integers, .f32, "<i4"),
      (.vector, .f16, "<f4"), (.vector, .bf16, "<f4"), (.matrixOfHalves, .f32, "<f2"),
      (.signedBytes, .u8, "|i1"), (.unsignedBytes, .i8, "|u1"),
    ]
    for (sample, expected, found) in samples {
      let path = try folder.file("a.npy", sample.bytes)
      #expect(
        throws: TensorFileError.elementType(
          file: path, tensor: nil, expected: expected, found: found)
      ) { try NpyFile(path).load(as: expected) }
    }
    let path = try folder.file("a.npy", NumPySample.structured.bytes)
    #expect(
      throws: TensorFileError.elementType(
        file: path, tensor: nil, expected: nil, found: "[('a', '<f4'), ('b', '<i2')]")
    ) { try NpyFile(path) }
  }

  @Test func bigEndianAndFortranOrderAreNamed() throws {
    let folder = try TemporaryFolder()
    let big = try folder.file("big.npy", NumPySample.bigEndian.bytes)
    #expect(throws: TensorFileError.byteOrder(file: big, found: ">f4")) {
      try NpyFile(big).load(as: .f32)
    }
    let fortran = try folder.file("fortran.npy", NumPySample.fortran.bytes)
    #expect(throws: TensorFileError.fortranOrder(file: fortran)) { try NpyFile(fortran) }
  }

  @Test func everyTruncationIsNoticed() throws {
    let folder = try TemporaryFolder()
    for sample in [NumPySample.vector, .version2] {
      let bytes = sample.bytes
      for count in bytes.indices {
        let path = try folder.file("a.npy", Array(bytes[..<count]))
        let error = #expect(throws: TensorFileError.self) {
          try NpyFile(path).load(as: .f32)
        }
        switch error {
        case .truncated(path, let expected, count): #expect(expected > count)
        case .headerLength(path, let limit, let found): #expect(found > limit)
        default: Issue.record("\(count) bytes: \(String(describing: error))")
        }
      }
    }
  }

  @Test func bytesAfterTheElementsAreNoticed() throws {
    let folder = try TemporaryFolder()
    let bytes = NumPySample.vector.bytes
    let path = try folder.file("a.npy", bytes + [0])
    #expect(
      throws: TensorFileError.trailing(
        file: path, expectedBytes: bytes.count, foundBytes: bytes.count + 1)
    ) { try NpyFile(path).load() }
  }

  @Test func damagedBeginningsAreNamed() throws {
    let folder = try TemporaryFolder()
    var bytes = NumPySample.vector.bytes
    bytes[0] = 0x92
    let magic = try folder.file("magic.npy", bytes)
    let error = #expect(throws: TensorFileError.self) { try NpyFile(magic) }
    guard case .magic(magic, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }

    bytes = NumPySample.vector.bytes
    bytes[6] = 4
    let version = try folder.file("version.npy", bytes)
    #expect(
      throws: TensorFileError.version(
        file: version, expected: ".npy version 1.0, 2.0 or 3.0", found: "4.0")
    ) {
      try NpyFile(version)
    }

    // A header of almost four gigabytes in a file of 140 bytes.
    bytes = NumPySample.version2.bytes
    bytes.replaceSubrange(8..<12, with: [0xff, 0xff, 0xff, 0xf0])
    let length = try folder.file("length.npy", bytes)
    #expect(
      throws: TensorFileError.headerLength(
        file: length, atMost: bytes.count - 12, found: 0xf0ff_ffff)
    ) { try NpyFile(length) }
  }

  @Test func headersThatAreNoLiteralAreRefusedWithTheirPlace() throws {
    let folder = try TemporaryFolder()
    let texts = [
      "{'descr': f(), 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2*3), }",
      "{'descr': '<f\\x34', 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } + {}",
      "{'descr': '<f4' 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
      "{'descr': '<f4",
      "{1: '<f4'}", "['descr']", "", "{'descr': \(String(repeating: "(", count: 1000))",
    ]
    for text in texts {
      let path = try folder.file("a.npy", npy(text))
      let error = #expect(throws: TensorFileError.self, "\(text)") { try NpyFile(path) }
      guard case .syntax(path, let place, _, _) = error else {
        Issue.record("\(text): \(String(describing: error))")
        continue
      }
      #expect(place.hasPrefix("byte "))
    }
    let path = try folder.file("a.npy", npy("{'descr': wat, }"))
    #expect(
      throws: TensorFileError.syntax(
        file: path, place: "byte 20",
        expected: "a string, an integer, a tuple, a list, True or False",
        found: "'wat, }\\n'")
    ) { try NpyFile(path) }
  }

  @Test func headersWithWrongEntriesAreNamed() throws {
    let folder = try TemporaryFolder()
    let path = folder["a.npy"]
    func expect(_ error: TensorFileError, _ text: String) throws {
      _ = try folder.file("a.npy", npy(text))
      #expect(throws: error, "\(text)") { try NpyFile(path).load() }
    }
    let keys = ["descr", "fortran_order", "shape"]
    try expect(
      .missingKey(file: path, key: "shape"), "{'descr': '<f4', 'fortran_order': False}")
    try expect(
      .unknownKey(file: path, key: "order", known: keys),
      "{'descr': '<f4', 'order': 'C', 'fortran_order': False, 'shape': ()}")
    try expect(
      .duplicateKey(file: path, key: "shape"),
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (2,)}")
    try expect(
      .value(file: path, key: "fortran_order", expected: "True or False", found: "0"),
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}")
    try expect(
      .value(file: path, key: "shape", expected: "a tuple of integers", found: "(3)"),
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}")
    try expect(
      .value(file: path, key: "shape", expected: "a tuple of integers", found: "(3, None)"),
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3, None)}")
    try expect(
      .value(file: path, key: "descr", expected: "a type such as '<f4'", found: "None"),
      "{'descr': None, 'fortran_order': False, 'shape': (3,)}")
    try expect(
      .elementType(file: path, tensor: nil, expected: nil, found: "f4"),
      "{'descr': 'f4', 'fortran_order': False, 'shape': (3,)}")
  }

  @Test func impossibleShapesAreNamed() throws {
    let folder = try TemporaryFolder()
    func error(_ shape: String) throws -> TensorFileError? {
      let path = try folder.file(
        "a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"))
      return #expect(throws: TensorFileError.self) { try NpyFile(path).load() }
    }
    let path = folder["a.npy"]
    #expect(try error("(-1,)") == .shape(file: path, tensor: nil, found: "(-1,)"))
    #expect(
      try error("(99999999999999999999,)")
        == .shape(file: path, tensor: nil, found: "(99999999999999999999,)"))
    #expect(
      try error("(4294967296, 4294967296)")
        == .shape(file: path, tensor: nil, found: "[4294967296, 4294967296]"))
    let ones = String(repeating: "1, ", count: 65)
    #expect(try error("(\(ones))") == .rank(file: path, tensor: nil, atMost: 64, found: 65))
    // A terabyte that the file does not have.
    guard case .truncated(path, _, _) = try error("(274877906944,)") else {
      Issue.record("a terabyte was believed")
      return
    }
  }

  @Test func aTensorLargerThanMemoryIsRefused() throws {
    let folder = try TemporaryFolder()
    let count = Int(ProcessInfo.processInfo.physicalMemory) / 4 + 1
    let path = try folder.file(
      "a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (\(count),), }"))
    // The file has all elements, but as a hole that takes no disk.
    let size = try folder.bytes("a.npy").count + 4 * count
    try #require(truncate(path, size) == 0)
    let error = #expect(throws: TensorFileError.self) { try NpyFile(path).load() }
    guard case .beyondMemory(path, 4 * count, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func longIntegersOfPythonTwoAreRead() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file(
      "a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0L, 7L), }"))
    #expect(try NpyFile(path).load().shape == [0, 7])
  }

  /// A file of version 1.0 with this header.
  private func npy(_ header: String, elements: [UInt8] = []) -> [UInt8] {
    let text = Array((header + "\n").utf8)
    return NpyFile.magic + [1, 0, UInt8(text.count & 0xff), UInt8(text.count >> 8)] + text
      + elements
  }
}
