public import NormGenIR
public import NormGenTensors

/// NumPy's `.npy` files, versions 1.0, 2.0 and 3.0: one array without a name.
///
/// Elements are little-endian and in C order. `<f4` is f32, `<f2` is f16, `|i1` is i8 and `|u1`
/// is u8. NumPy has no bf16: `<u2`, `<V2` and `|V2` hold its bits, and are read as bf16 where the
/// caller asks for bf16 and never otherwise. It has no 8-bit floats. Elements are never converted: a conversion would be a
/// rounding that the kernel does not declare.
public struct NpyFile: Sendable {
  /// The version of the format.
  public let version: (major: UInt8, minor: UInt8)
  /// The type of the elements as NumPy writes it, such as `<f4`.
  public let typeDescription: String
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]
  private let file: InputFile
  /// Where the elements begin.
  private let origin: Int

  /// The longest header that is read; a plain array of the most axes needs less.
  public static let longestHeader = 65_535
  /// The most axes of an array in NumPy.
  public static let greatestRank = 64

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads the header and checks it against the size of the file.
  ///
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public init(_ path: String) throws(TensorFileError) {
    let file = try InputFile(path)
    let (version, text, origin) = try NpyFile.header(of: file)
    var parser = PythonLiteralParser(
      file: path, text: text, origin: origin - text.count)
    let header = try NpyHeader(try parser.dictionary(), file: path)
    self.version = version
    self.typeDescription = header.typeDescription
    self.shape = header.shape
    self.file = file
    self.origin = origin
  }

  /// Loads the array.
  ///
  /// - Parameter expected: The storage type that the elements must have; nil for any. Raw 16-bit
  ///   elements are read only as `.bf16`.
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public func load(as expected: DType? = nil) throws(TensorFileError) -> HostTensor {
    let storage = try storage(expected)
    let count: Int
    do { count = try HostTensor.count(of: shape) } catch {
      throw .shape(file: file.path, tensor: nil, found: "\(shape)")
    }
    let (end, overflow) = origin.addingReportingOverflow(count * storage.byteCount)
    guard !overflow, end <= file.size else {
      throw .truncated(
        file: file.path, expectedBytes: overflow ? .max : end, foundBytes: file.size)
    }
    guard end == file.size else {
      throw .trailing(file: file.path, expectedBytes: end, foundBytes: file.size)
    }
    return try file.tensor(at: origin, shape: shape, storage)
  }

  /// The storage type of the elements.
  private func storage(_ expected: DType?) throws(TensorFileError) -> DType {
    let found: DType?
    switch typeDescription {
    case "<f4": found = .f32
    case "<f2": found = .f16
    case "|i1": found = .i8
    case "|u1": found = .u8
    case "<u2", "<V2", "|V2":
      guard let expected else {
        throw .ambiguousType(file: file.path, found: typeDescription)
      }
      found = expected == .bf16 ? .bf16 : nil
    case let other where other.hasPrefix(">"):
      throw .byteOrder(file: file.path, found: other)
    default: found = nil
    }
    guard let found, expected == nil || expected == found else {
      throw .elementType(
        file: file.path, tensor: nil, expected: expected, found: typeDescription)
    }
    return found
  }

  /// The version, the header's text and the offset of the first element.
  private static func header(
    of file: InputFile
  ) throws(TensorFileError) -> (version: (UInt8, UInt8), text: [UInt8], origin: Int) {
    let start = try file.bytes(at: 0, count: min(file.size, 12))
    guard start.starts(with: magic) else {
      guard !magic.starts(with: start) else {
        throw .truncated(file: file.path, expectedBytes: 10, foundBytes: file.size)
      }
      throw .magic(
        file: file.path, expected: "a .npy file, which begins with '\\x93NUMPY'",
        found: String(decoding: start.prefix(8), as: UTF8.self))
    }
    guard start.count >= 8 else {
      throw .truncated(file: file.path, expectedBytes: 10, foundBytes: file.size)
    }
    let version = (start[6], start[7])
    let lengthBytes: Int
    switch version {
    case (1, 0): lengthBytes = 2
    case (2, 0), (3, 0): lengthBytes = 4
    default:
      throw .version(
        file: file.path, expected: ".npy version 1.0, 2.0 or 3.0",
        found: "\(version.0).\(version.1)")
    }
    guard start.count >= 8 + lengthBytes else {
      throw .truncated(
        file: file.path, expectedBytes: 8 + lengthBytes, foundBytes: file.size)
    }
    let length = start[8..<8 + lengthBytes].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    let limit = min(longestHeader, file.size - 8 - lengthBytes)
    guard length <= limit else {
      throw .headerLength(file: file.path, atMost: limit, found: length)
    }
    let text = try file.bytes(at: 8 + lengthBytes, count: Int(length))
    return (version, text, 8 + lengthBytes + text.count)
  }
}
