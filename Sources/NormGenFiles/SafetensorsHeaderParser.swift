/// Reads the JSON of a `.safetensors` header: as much of JSON as the format has, in one pass.
///
/// Integers are digits alone, as in the format: `8.0` and `1e1` are none. A key may not stand twice in an
/// object. Behind the object stand blanks only.
struct SafetensorsHeaderParser {
  /// One tensor of the header, unchecked.
  struct Tensor {
    var type: String
    var shape: [Int]
    var offsets: [Int]
  }

  /// Many times the axes of any tensor.
  private static let mostIntegers = 1024
  private static let keys = ["dtype", "shape", "data_offsets"]

  private let file: String
  private let text: [UInt8]
  /// The offset of the text in the file.
  private let origin: Int
  private var position = 0

  init(file: String, text: [UInt8], origin: Int) {
    self.file = file
    self.text = text
    self.origin = origin
  }

  /// The tensors in the order of the text, and the texts that belong to none.
  mutating func header() throws(TensorFileError) -> (
    tensors: [(String, Tensor)], metadata: [String: String]
  ) {
    guard next == UInt8(ascii: "{") else {
      throw failure(expected: "a JSON object that begins with '{'")
    }
    var tensors: [(String, Tensor)] = []
    var metadata: [String: String] = [:]
    try object(of: nil) { parser, name throws(TensorFileError) in
      if name == SafetensorsHeader.metadataKey {
        metadata = try parser.metadata()
      } else {
        tensors.append((name, try parser.tensor(name)))
      }
    }
    skipBlanks()
    guard position == text.count else {
      throw failure(expected: "only blanks behind the JSON object")
    }
    return (tensors, metadata)
  }

  private mutating func metadata() throws(TensorFileError) -> [String: String] {
    var metadata: [String: String] = [:]
    try object(of: SafetensorsHeader.metadataKey) { parser, key throws(TensorFileError) in
      metadata[key] = try parser.string(of: "\(SafetensorsHeader.metadataKey).\(key)")
    }
    return metadata
  }

  private mutating func tensor(_ name: String) throws(TensorFileError) -> Tensor {
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try object(of: name) { parser, key throws(TensorFileError) in
      switch key {
      case "dtype": type = try parser.string(of: "\(name).\(key)")
      case "shape": shape = try parser.integers(of: "\(name).\(key)")
      case "data_offsets": offsets = try parser.integers(of: "\(name).\(key)")
      default:
        throw .unknownKey(
          file: parser.file, key: "\(name).\(key)", known: SafetensorsHeaderParser.keys)
      }
    }
    guard let type, let shape, let offsets else {
      let key = type == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
      throw .missingKey(file: file, key: excerpt("\(name).\(key)"))
    }
    return Tensor(type: type, shape: shape, offsets: offsets)
  }

  // MARK: Values

  /// Reads an object, of which `member` reads each value.
  ///
  /// - Parameter name: The key that the object is the value of; nil for the header itself.
  private mutating func object(
    of name: String?,
    member: (inout SafetensorsHeaderParser, String) throws(TensorFileError) -> Void
  ) throws(TensorFileError) {
    skipBlanks()
    guard consume("{") else { throw wrongValue(of: name ?? "", expected: "an object") }
    skipBlanks()
    if consume("}") { return }
    // Compared as `String`s, so that two spellings of one name, with an escape or another composition
    // of an accent, are the same.
    var keys: Set<String> = []
    repeat {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw failure(expected: "a key in quotes") }
      let key = try string()
      guard keys.insert(key).inserted else { throw .duplicateKey(file: file, key: key) }
      skipBlanks()
      guard consume(":") else { throw failure(expected: "':' behind a key") }
      try member(&self, key)
      skipBlanks()
    } while consume(",")
    guard consume("}") else { throw failure(expected: "',' or '}'") }
  }

  private mutating func string(of key: String) throws(TensorFileError) -> String {
    skipBlanks()
    guard next == UInt8(ascii: "\"") else { throw wrongValue(of: key, expected: "a string") }
    return try string()
  }

  private mutating func integers(of key: String) throws(TensorFileError) -> [Int] {
    let expected = "a list of integers"
    skipBlanks()
    guard consume("[") else { throw wrongValue(of: key, expected: expected) }
    skipBlanks()
    var integers: [Int] = []
    if consume("]") { return integers }
    repeat {
      skipBlanks()
      let start = position
      _ = consume("-")
      let digits = position
      while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        position += 1
      }
      // What else follows is a part of another number: a fraction, an exponent, a letter.
      let isWhole = next.map { [0x20, 0x0a, 0x0d, 0x09, 0x2c, 0x5d].contains($0) } ?? true
      let hasZero = text[digits..<position].first == UInt8(ascii: "0")
      guard isWhole, position - digits <= 19, !hasZero || position == digits + 1,
        let integer = Int(String(decoding: text[start..<position], as: UTF8.self))
      else {
        position = start
        throw wrongValue(of: key, expected: expected)
      }
      integers.append(integer)
      guard integers.count <= SafetensorsHeaderParser.mostIntegers else {
        throw .value(
          file: file, key: excerpt(key),
          expected: "at most \(SafetensorsHeaderParser.mostIntegers) integers",
          found: "more")
      }
      skipBlanks()
    } while consume(",")
    guard consume("]") else { throw failure(expected: "',' or ']'") }
    return integers
  }

  /// The string that begins with the quote at `position`.
  private mutating func string() throws(TensorFileError) -> String {
    let start = position
    position += 1
    var first = position
    var bytes: [UInt8] = []
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw failure(expected: "control characters as escapes") }
      guard byte == UInt8(ascii: "\\") else {
        position += 1
        continue
      }
      bytes += text[first..<position]
      bytes += Array(String(try escape()).utf8)
      first = position
    }
    guard next != nil else {
      position = start
      throw failure(expected: "the end of a string that begins here")
    }
    bytes += text[first..<position]
    position += 1
    guard let string = String(validating: bytes, as: UTF8.self) else {
      position = start
      throw failure(expected: "UTF-8 text")
    }
    return string
  }

  /// The character that the escape at `position` stands for.
  private mutating func escape() throws(TensorFileError) -> Unicode.Scalar {
    let start = position
    position += 2
    switch start + 1 < text.count ? text[start + 1] : 0 {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      if let unit = hexadecimal() {
        if let scalar = Unicode.Scalar(unit) { return scalar }
        if (0xd800..<0xdc00).contains(unit), consume("\\"), consume("u"), let low = hexadecimal(),
          (0xdc00..<0xe000).contains(low),
          let scalar = Unicode.Scalar(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
        {
          return scalar
        }
      }
    default: break
    }
    position = start
    throw failure(expected: "an escape of JSON")
  }

  /// Four hexadecimal digits.
  private mutating func hexadecimal() -> UInt32? {
    guard position + 4 <= text.count else { return nil }
    var value: UInt32 = 0
    for byte in text[position..<position + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        return nil
      }
      value = value << 4 | UInt32(digit)
    }
    position += 4
    return value
  }

  // MARK: Text

  private var next: UInt8? { position < text.count ? text[position] : nil }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      position += 1
    }
  }

  /// Takes a character if it comes next.
  private mutating func consume(_ character: Unicode.Scalar) -> Bool {
    guard let next, UInt32(next) == character.value else { return false }
    position += 1
    return true
  }

  /// A value of the wrong kind, or none at all.
  private func wrongValue(of key: String, expected: String) -> TensorFileError {
    let stops: [UInt8] = [0x2c, 0x7d, 0x5d, 0x3a]
    guard let next, !stops.contains(next), next != 0 else { return failure(expected: expected) }
    return .value(file: file, key: excerpt(key), expected: expected, found: found)
  }

  private func failure(expected: String) -> TensorFileError {
    .syntax(file: file, place: "byte \(origin + position)", expected: expected, found: found)
  }

  /// The beginning of what stands here.
  private var found: String {
    let rest = text[min(position, text.count)...].prefix(24)
    guard let first = rest.first else { return "the end of the header" }
    if first == 0 {
      return rest.allSatisfy { $0 == 0 } && rest.count > 1 ? "zero bytes" : "a zero byte"
    }
    return quoted(String(decoding: rest, as: UTF8.self))
  }
}
