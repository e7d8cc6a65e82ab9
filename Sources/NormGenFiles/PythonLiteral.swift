/// A value of Python's literal syntax, as far as `.npy` headers use it.
enum PythonLiteral: Hashable {
  case string(String)
  /// The digits with their sign: the number may be larger than any integer type.
  case integer(String)
  /// `True`, `False` or `None`.
  case word(String)
  case tuple([PythonLiteral])
  case list([PythonLiteral])
}

/// Reads the dictionary of a `.npy` header.
///
/// Expressions, escapes in strings and numbers other than integers are no literals that NumPy
/// writes there, and are refused.
struct PythonLiteralParser {
  /// An entry of the dictionary, and the text of its value.
  struct Entry {
    let key: String
    let value: PythonLiteral
    let text: String
  }

  /// The deepest nesting; the types of structured arrays nest, and are refused later.
  private static let greatestDepth = 16

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

  /// The entries of the dictionary that the whole text is, in their order.
  mutating func dictionary() throws(TensorFileError) -> [Entry] {
    try expect("{", or: "a dictionary")
    var entries: [Entry] = []
    var keys: Set<String> = []
    while !consume("}") {
      if !entries.isEmpty {
        try expect(",", or: "',' or '}'")
        if consume("}") { break }
      }
      guard case .string(let key) = try value(depth: 1) else {
        throw failure(expected: "a key in quotes, before this")
      }
      guard keys.insert(key).inserted else {
        throw .duplicateKey(file: file, key: key)
      }
      try expect(":", or: "':'")
      skipBlanks()
      let start = position
      let value = try value(depth: 1)
      let source = String(decoding: text[start..<position], as: UTF8.self)
      entries.append(Entry(key: key, value: value, text: source))
    }
    skipBlanks()
    guard position == text.count else { throw failure(expected: "nothing after the dictionary") }
    return entries
  }

  private mutating func value(depth: Int) throws(TensorFileError) -> PythonLiteral {
    guard depth <= PythonLiteralParser.greatestDepth else {
      throw failure(expected: "at most \(PythonLiteralParser.greatestDepth) nested values")
    }
    skipBlanks()
    switch next {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "("):
      let (items, endsInComma) = try sequence(closing: ")", depth: depth)
      // Parentheses around one value are no tuple.
      if items.count == 1, !endsInComma { return items[0] }
      return .tuple(items)
    case UInt8(ascii: "["): return .list(try sequence(closing: "]", depth: depth).items)
    case let byte? where isDigit(byte) || byte == UInt8(ascii: "-"): return try integer()
    default:
      for word in ["True", "False", "None"] where consume(word) { return .word(word) }
      throw failure(expected: "a string, an integer, a tuple, a list, True or False")
    }
  }

  private mutating func string() throws(TensorFileError) -> String {
    let quote = next
    position += 1
    let start = position
    while let byte = next, byte != quote {
      guard byte >= 0x20, byte != UInt8(ascii: "\\") else {
        throw failure(expected: "a string without escapes")
      }
      position += 1
    }
    guard next != nil else { throw failure(expected: "the end of a string") }
    defer { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func integer() throws(TensorFileError) -> PythonLiteral {
    let start = position
    if next == UInt8(ascii: "-") { position += 1 }
    let digits = position
    while let byte = next, isDigit(byte) { position += 1 }
    guard position > digits else { throw failure(expected: "a digit") }
    defer {
      // Python 2 marked long integers.
      if next == UInt8(ascii: "L") { position += 1 }
    }
    return .integer(String(decoding: text[start..<position], as: UTF8.self))
  }

  private mutating func sequence(
    closing: String, depth: Int
  ) throws(TensorFileError) -> (items: [PythonLiteral], endsInComma: Bool) {
    position += 1
    var items: [PythonLiteral] = []
    while !consume(closing) {
      if !items.isEmpty {
        try expect(",", or: "',' or '\(closing)'")
        if consume(closing) { return (items, true) }
      }
      items.append(try value(depth: depth + 1))
    }
    return (items, false)
  }

  // MARK: Text

  private var next: UInt8? { position < text.count ? text[position] : nil }

  private func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private mutating func skipBlanks() {
    while let byte = next, [0x20, 0x0a, 0x09, 0x0d].contains(byte) { position += 1 }
  }

  /// Takes `expected` if it comes next.
  private mutating func consume(_ expected: String) -> Bool {
    skipBlanks()
    guard text[position...].starts(with: expected.utf8) else { return false }
    position += expected.utf8.count
    return true
  }

  private mutating func expect(
    _ expected: String, or description: String
  ) throws(TensorFileError) {
    guard consume(expected) else { throw failure(expected: description) }
  }

  private func failure(expected: String) -> TensorFileError {
    let rest = text[min(position, text.count)...].prefix(24)
    return .syntax(
      file: file, place: "byte \(origin + position)", expected: expected,
      found: rest.isEmpty
        ? "the end of the header" : quoted(String(decoding: rest, as: UTF8.self)))
  }
}
