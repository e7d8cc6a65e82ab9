/// Reads the fields of a `.gguf` header one after the other, as long as the file has bytes for them.
///
/// No number in the file makes it allocate more than a few times the bytes that are there.
struct GGUFScanner {
  /// Arrays in arrays beyond this are refused; the format's own reader refuses the second already.
  static let greatestDepth = 8
  /// The longest key of metadata, and here of a tensor's name, in bytes.
  static let longestName = 65_535

  let file: InputFile
  /// Where the next field begins in the file.
  private(set) var position = 0
  /// A part of the file, and where it begins.
  private var window: [UInt8] = []
  private var origin = 0

  init(_ file: InputFile) { self.file = file }

  /// The bytes of the file that are left.
  var rest: Int { file.size - position }

  /// The next bytes.
  mutating func bytes(_ count: Int) throws(TensorFileError) -> ArraySlice<UInt8> {
    guard count <= rest else {
      throw .truncated(
        file: file.path, expectedBytes: position.addingReportingOverflow(count).partialValue,
        foundBytes: file.size)
    }
    guard position + count <= GGUFFile.longestHeader else {
      throw .headerLength(
        file: file.path, atMost: GGUFFile.longestHeader, found: UInt64(position + count))
    }
    if position + count > origin + window.count {
      window = try file.bytes(at: position, count: min(rest, max(count, 1 << 16)))
      origin = position
    }
    let first = position - origin
    position += count
    return window[first..<first + count]
  }

  /// The next whole number, little-endian.
  mutating func integer<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self
  ) throws(TensorFileError) -> Integer {
    try integers(1, of: type)[0]
  }

  /// The next whole numbers, little-endian.
  mutating func integers<Integer: FixedWidthInteger>(
    _ count: Int, of type: Integer.Type = Integer.self
  ) throws(TensorFileError) -> [Integer] {
    let size = Integer.bitWidth / 8
    let bytes = try bytes(count * size)
    return bytes.withUnsafeBytes { bytes in
      (0..<count).map {
        Integer(
          littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * size, as: Integer.self))
      }
    }
  }

  /// The next number of things, which take `least` bytes each at least.
  ///
  /// - Parameter things: What is counted, for errors.
  mutating func count(
    of things: @autoclosure () -> String, least: Int
  ) throws(TensorFileError) -> Int {
    let count: UInt64 = try integer()
    guard count <= rest / least else {
      throw .count(file: file.path, of: things(), atMost: rest / least, found: count)
    }
    return Int(count)
  }

  /// The next string.
  ///
  /// - Parameter owner: What the string is, for errors.
  mutating func string(
    _ owner: @autoclosure () -> String
  ) throws(TensorFileError) -> String {
    let count = try count(of: "bytes of \(owner())", least: 1)
    let start = position
    let bytes = try bytes(count)
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw .syntax(
        file: file.path, place: "byte \(start)", expected: "\(owner()) in UTF-8",
        found: quoted(String(decoding: bytes.prefix(24), as: UTF8.self)))
    }
    return string
  }

  /// The next key of metadata or name of a tensor.
  mutating func name(_ owner: @autoclosure () -> String) throws(TensorFileError) -> String {
    let start = position
    let name = try string(owner())
    guard name.utf8.count <= GGUFScanner.longestName else {
      throw .syntax(
        file: file.path, place: "byte \(start)",
        expected: "\(owner()) of at most \(GGUFScanner.longestName) bytes",
        found: "\(name.utf8.count)")
    }
    return name
  }

  // MARK: Metadata

  /// The value behind a key, with the number of its type before it.
  mutating func value(of key: String) throws(TensorFileError) -> GGUFValue {
    switch try type(of: key) {
    case .uint8: .uint8(try integer())
    case .int8: .int8(try integer())
    case .uint16: .uint16(try integer())
    case .int16: .int16(try integer())
    case .uint32: .uint32(try integer())
    case .int32: .int32(try integer())
    case .float32: .float32(Float(bitPattern: try integer()))
    case .bool: .bool(try truths(1, of: key)[0])
    case .string: .string(try string("the value of \(quoted(key))"))
    case .array: .array(try array(of: key))
    case .uint64: .uint64(try integer())
    case .int64: .int64(try integer())
    case .float64: .float64(Double(bitPattern: try integer()))
    }
  }

  private mutating func type(of key: String) throws(TensorFileError) -> GGUFValueType {
    let number: UInt32 = try integer()
    guard let type = GGUFValueType(rawValue: number) else {
      throw .value(
        file: file.path, key: excerpt(key), expected: "of a type from 0 to 12",
        found: "\(number)")
    }
    return type
  }

  /// An array with all that it holds: its depth comes from the file, so it is kept in a list.
  private mutating func array(of key: String) throws(TensorFileError) -> GGUFArray {
    var open: [(count: Int, arrays: [GGUFArray])] = []
    while true {
      let type = try type(of: key)
      let count = try count(of: "elements of \(quoted(key))", least: type.leastByteCount)
      guard type == .array, count > 0 else {
        var closed = try elements(type, count, of: key)
        while let innermost = open.indices.last {
          open[innermost].arrays.append(closed)
          guard open[innermost].arrays.count == open[innermost].count else { break }
          closed = .array(open.removeLast().arrays)
        }
        if open.isEmpty { return closed }
        continue
      }
      open.append((count, []))
      guard open.count < GGUFScanner.greatestDepth else {
        throw .value(
          file: file.path, key: excerpt(key),
          expected: "of at most \(GGUFScanner.greatestDepth) arrays in one another",
          found: "more")
      }
    }
  }

  /// The elements of an array that holds no array with elements.
  private mutating func elements(
    _ type: GGUFValueType, _ count: Int, of key: String
  ) throws(TensorFileError) -> GGUFArray {
    switch type {
    case .uint8: return .uint8(try integers(count))
    case .int8: return .int8(try integers(count))
    case .uint16: return .uint16(try integers(count))
    case .int16: return .int16(try integers(count))
    case .uint32: return .uint32(try integers(count))
    case .int32: return .int32(try integers(count))
    case .float32:
      return .float32(try integers(count, of: UInt32.self).map(Float.init(bitPattern:)))
    case .bool: return .bool(try truths(count, of: key))
    case .string:
      var strings: [String] = []
      for index in 0..<count {
        strings.append(try string("element \(index) of \(quoted(key))"))
      }
      return .string(strings)
    case .array: return .array([])
    case .uint64: return .uint64(try integers(count))
    case .int64: return .int64(try integers(count))
    case .float64:
      return .float64(try integers(count, of: UInt64.self).map(Double.init(bitPattern:)))
    }
  }

  private mutating func truths(
    _ count: Int, of key: String
  ) throws(TensorFileError) -> [Bool] {
    let bytes = try bytes(count)
    if let other = bytes.first(where: { $0 > 1 }) {
      throw .value(
        file: file.path, key: excerpt(key), expected: "0 or 1 where it is true or false",
        found: "\(other)")
    }
    return bytes.map { $0 == 1 }
  }
}
