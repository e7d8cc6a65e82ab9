internal import NormGenTensors

/// The checked header of a `.gguf` file.
struct GGUFHeader {
  let version: Int
  let metadata: [String: GGUFValue]
  let alignment: Int
  /// The tensors in the order of their data.
  let entries: [GGUFFile.Entry]
  /// Where the data begins.
  let origin: Int

  static let magic = Array("GGUF".utf8)

  /// What tensors are aligned to where no metadata says it.
  static let usualAlignment = 32
  /// The most axes of a tensor in ggml.
  static let greatestRank = 4

  private static let alignmentKey = "general.alignment"

  /// A tensor as the header describes it, whose place is not checked.
  private struct Tensor {
    let name: String
    let type: GGUFTensorType
    let shape: [Int]
    let byteCount: Int
    let offset: UInt64
  }

  /// Reads a header from the begin of a file.
  init(_ file: InputFile) throws(TensorFileError) {
    var scanner = GGUFScanner(file)
    version = try GGUFHeader.version(&scanner)
    // A tensor has a name, the number of its extents, its type and its offset; a key has a type.
    let tensorCount = try scanner.count(of: "tensors", least: 8 + 4 + 4 + 8)
    let keyCount = try scanner.count(of: "keys of metadata", least: 8 + 4 + 1)
    metadata = try GGUFHeader.metadata(keyCount, &scanner)
    alignment = try GGUFHeader.alignment(metadata, file: file.path)
    let tensors = try GGUFHeader.tensors(tensorCount, &scanner)
    origin = scanner.position.alignedUp(to: alignment)
    entries = try GGUFHeader.entries(tensors, file, origin: origin, alignment: alignment)
  }

  private static func version(_ scanner: inout GGUFScanner) throws(TensorFileError) -> Int {
    let path = scanner.file.path
    let start = try scanner.bytes(min(scanner.rest, magic.count))
    guard start.elementsEqual(magic) else {
      guard !magic.starts(with: start) else {
        throw .truncated(file: path, expectedBytes: 24, foundBytes: scanner.file.size)
      }
      throw .magic(
        file: path, expected: "a .gguf file, which begins with 'GGUF'",
        found: String(decoding: start, as: UTF8.self))
    }
    let version: UInt32 = try scanner.integer()
    switch version {
    case 2, 3: return Int(version)
    // Read in the wrong order, a small number has its digits at the other end.
    case _ where (1...0xffff).contains(version.byteSwapped): throw .bigEndian(file: path)
    default: throw .version(file: path, expected: ".gguf version 2 or 3", found: "\(version)")
    }
  }

  private static func metadata(
    _ count: Int, _ scanner: inout GGUFScanner
  ) throws(TensorFileError) -> [String: GGUFValue] {
    var metadata: [String: GGUFValue] = [:]
    for index in 0..<count {
      let start = scanner.position
      let key = try scanner.name("key \(index) of the metadata")
      guard !key.isEmpty else {
        throw .syntax(
          file: scanner.file.path, place: "byte \(start)",
          expected: "key \(index) of the metadata", found: "an empty one")
      }
      guard metadata.updateValue(try scanner.value(of: key), forKey: key) == nil else {
        throw .duplicateKey(file: scanner.file.path, key: key)
      }
    }
    return metadata
  }

  private static func alignment(
    _ metadata: [String: GGUFValue], file: String
  ) throws(TensorFileError) -> Int {
    guard let value = metadata[alignmentKey] else { return usualAlignment }
    let expected = "a power of two from 8 on, as uint32"
    guard case .uint32(let alignment) = value else {
      throw .value(
        file: file, key: alignmentKey, expected: expected, found: "\(value.type)")
    }
    guard alignment >= 8, alignment & (alignment - 1) == 0 else {
      throw .value(
        file: file, key: alignmentKey, expected: expected, found: "\(alignment)")
    }
    return Int(alignment)
  }

  private static func tensors(
    _ count: Int, _ scanner: inout GGUFScanner
  ) throws(TensorFileError) -> [Tensor] {
    var tensors: [Tensor] = []
    var names: Set<String> = []
    for index in 0..<count {
      let name = try scanner.name("the name of tensor \(index)")
      guard names.insert(name).inserted else {
        throw .duplicateKey(file: scanner.file.path, key: name)
      }
      tensors.append(try tensor(name, &scanner))
    }
    return tensors
  }

  private static func tensor(
    _ name: String, _ scanner: inout GGUFScanner
  ) throws(TensorFileError) -> Tensor {
    let path = scanner.file.path
    let rank: UInt32 = try scanner.integer()
    guard rank <= greatestRank else {
      throw .rank(file: path, tensor: name, atMost: greatestRank, found: Int(rank))
    }
    let extents: [UInt64] = try scanner.integers(Int(rank))
    let number: UInt32 = try scanner.integer()
    let offset: UInt64 = try scanner.integer()
    guard let type = GGUFTensorType(number: number) else {
      throw .elementType(file: path, tensor: name, expected: nil, found: "type \(number)")
    }
    let row = extents.first ?? 1
    guard row % UInt64(type.elementCount) == 0 else {
      throw .rowLength(
        file: path, tensor: name, multiple: type.elementCount, type: type.name, found: row)
    }
    // The file has the innermost extent first.
    let shape = extents.reversed().compactMap { Int(exactly: $0) }
    guard shape.count == extents.count, let count = try? HostTensor.count(of: shape),
      let byteCount = (count / type.elementCount).times(type.byteCount)
    else {
      throw .shape(file: path, tensor: name, found: "\(Array(extents.reversed()))")
    }
    return Tensor(name: name, type: type, shape: shape, byteCount: byteCount, offset: offset)
  }

  /// The tensors by place: each must begin where the one before it ends, filled up to the alignment.
  private static func entries(
    _ tensors: [Tensor], _ file: InputFile, origin: Int, alignment: Int
  ) throws(TensorFileError) -> [GGUFFile.Entry] {
    let dataBytes = max(file.size - origin, 0)
    // Tensors without elements share their place with the next one; the name decides then.
    let ordered = tensors.sorted {
      ($0.offset, $0.byteCount, $0.name) < ($1.offset, $1.byteCount, $1.name)
    }
    var entries: [GGUFFile.Entry] = []
    var end = 0
    for tensor in ordered {
      let begin = end.alignedUp(to: alignment)
      func misplaced(_ expected: String) -> TensorFileError {
        .placement(
          file: file.path, tensor: tensor.name, expected: expected, found: tensor.offset)
      }
      guard tensor.offset % UInt64(alignment) == 0 else {
        throw misplaced("at a multiple of \(alignment) bytes")
      }
      guard tensor.offset <= max(dataBytes, begin) else {
        throw misplaced("within the \(dataBytes) bytes behind the header")
      }
      guard tensor.offset == begin else {
        throw misplaced("at byte \(begin), behind the tensor before it")
      }
      guard tensor.byteCount <= dataBytes - begin || tensor.byteCount == 0 else {
        let (expected, overflow) = (origin + begin).addingReportingOverflow(tensor.byteCount)
        throw .cutOff(
          file: file.path, tensor: tensor.name, expectedBytes: overflow ? .max : expected,
          foundBytes: file.size)
      }
      end = begin + tensor.byteCount
      entries.append(
        GGUFFile.Entry(
          name: tensor.name, type: tensor.type, shape: tensor.shape, bytes: begin..<end))
    }
    // Some writers fill the last tensor up, others do not.
    let last = origin + end.alignedUp(to: alignment)
    guard file.size <= last else {
      throw .trailing(file: file.path, expectedBytes: last, foundBytes: file.size)
    }
    return entries
  }
}

extension Int {
  /// The next multiple of an alignment below 2³²; the number is at most a file's size.
  func alignedUp(to alignment: Int) -> Int {
    (self + alignment - 1) / alignment * alignment
  }

  /// The product of numbers from 0 on; nil where there is none.
  fileprivate func times(_ other: Int) -> Int? {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? nil : product
  }
}
