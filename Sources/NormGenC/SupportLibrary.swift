package import NormGenTemplates

/// The C definitions that kernels of one target may call: its SIMD functions and the math files.
///
/// A definition is a paragraph of a template. Its names are read from the C itself, and so are the
/// definitions it needs in turn; a kernel carries those that it reaches and no others.
package struct SupportLibrary: Sendable {
  private struct Definition: Sendable {
    let text: String
    let identifiers: Set<String>
  }

  private let definitions: [Definition]
  private let positions: [String: Int]

  /// Every name that a template defines; a kernel's own names must differ from them.
  package let names: Set<String>

  /// Reads the definitions of template files, in order.
  ///
  /// - Parameter layers: Those whose definitions take the place of all of the same names in files that are
  ///   none of them, and in layers before.
  package init(_ files: [TemplateFile], layers: [TemplateFile] = []) {
    var definitions: [Definition] = []
    var positions: [String: Int] = [:]
    let layerNames = layers.map { Set(CText.definedNames(in: $0.text)) }
    for file in files {
      let layer = layers.firstIndex { $0.path == file.path } ?? -1
      let replaced = layerNames[(layer + 1)...].reduce(into: Set<String>()) { $0.formUnion($1) }
      for paragraph in file.text.split(separator: "\n\n") {
        let text = paragraph.trimmingNewlines
        let names = CText.definedNames(in: text)
        // A paragraph that defines nothing is a heading.
        guard !names.isEmpty else { continue }
        guard replaced.isDisjoint(with: names) else { continue }
        for name in names { positions[name] = definitions.count }
        definitions.append(Definition(text: text, identifiers: CText.identifiers(in: text)))
      }
    }
    self.definitions = definitions
    self.positions = positions
    self.names = Set(positions.keys)
  }

  /// The definitions that `code` reaches, in the order of the templates.
  package func definitions(reachedFrom code: String) -> String {
    var reached: Set<Int> = []
    var pending = Array(CText.identifiers(in: code))
    while let identifier = pending.popLast() {
      guard let position = positions[identifier], reached.insert(position).inserted else {
        continue
      }
      pending.append(contentsOf: definitions[position].identifiers)
    }
    return reached.sorted().map { definitions[$0].text }.joined(separator: "\n\n")
  }
}

/// Just enough of C's lexical structure to find names.
package enum CText {
  /// The identifiers outside comments and strings.
  package static func identifiers(in text: String) -> Set<String> {
    Set(tokens(in: text).filter { isIdentifier($0) })
  }

  /// The functions, types and macros that a paragraph of a template defines.
  package static func definedNames(in text: String) -> [String] {
    var names: [String] = []
    // What is indented belongs to a function's body.
    for line in text.split(separator: "\n") where line.first?.isWhitespace == false {
      let tokens = tokens(in: String(line))
      if tokens.starts(with: ["#", "define"]), tokens.count > 2 {
        names.append(tokens[2])
      } else if tokens.first == "typedef" {
        // The name stands before the attributes, if there are any.
        let end = tokens.firstIndex(of: "__attribute__") ?? tokens.lastIndex(of: ";")
        if let end, let name = tokens[..<end].last(where: { isIdentifier($0) }) {
          names.append(name)
        }
      } else if tokens.first == "static", let name = functionName(tokens) {
        names.append(name)
      }
    }
    return names
  }

  /// The text with other names; comments and strings stay as they are.
  package static func renaming(_ names: [String: String], in text: String) -> String {
    let bytes = Array(text.utf8)
    func ends(_ end: [UInt8], from start: Int) -> Int {
      var position = start
      while position < bytes.count, !bytes[position...].starts(with: end) {
        // A quote behind a backslash ends nothing.
        position += end == [UInt8(ascii: "\"")] && bytes[position] == UInt8(ascii: "\\") ? 2 : 1
      }
      return min(position + end.count, bytes.count)
    }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var position = 0
    while position < bytes.count {
      let start = position
      switch bytes[position] {
      case UInt8(ascii: "/") where bytes[position...].starts(with: "//".utf8):
        position = ends([UInt8(ascii: "\n")], from: position + 2)
      case UInt8(ascii: "/") where bytes[position...].starts(with: "/*".utf8):
        position = ends(Array("*/".utf8), from: position + 2)
      case UInt8(ascii: "\""):
        position = ends([UInt8(ascii: "\"")], from: position + 1)
      case let byte where isWord(byte):
        while position < bytes.count, isWord(bytes[position]) { position += 1 }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        if let name = names[word] {
          result += name.utf8
          continue
        }
      default: position += 1
      }
      result += bytes[start..<position]
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// The name before the parameters; attributes have parentheses, too.
  private static func functionName(_ tokens: [String]) -> String? {
    var depth = 0
    var isAttribute = false
    for (position, token) in tokens.enumerated() {
      switch token {
      case "(":
        if depth == 0, !isAttribute { return position > 0 ? tokens[position - 1] : nil }
        depth += 1
      case ")":
        depth -= 1
        if depth == 0 { isAttribute = false }
      case "__attribute__": isAttribute = true
      default: break
      }
    }
    return nil
  }

  private static func isIdentifier(_ token: String) -> Bool {
    guard let first = token.utf8.first else { return false }
    return isWord(first) && !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// Identifiers, numbers and single symbols; comments are skipped.
  private static func tokens(in text: String) -> [String] {
    var tokens: [String] = []
    let bytes = Array(text.utf8)
    let slash = UInt8(ascii: "/")
    let star = UInt8(ascii: "*")
    var position = 0
    while position < bytes.count {
      let start = position
      let byte = bytes[position]
      position += 1
      if isWord(byte) {
        while position < bytes.count, isWord(bytes[position]) { position += 1 }
        tokens.append(String(decoding: bytes[start..<position], as: UTF8.self))
      } else if byte == slash, position < bytes.count, bytes[position] == slash {
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
      } else if byte == slash, position < bytes.count, bytes[position] == star {
        position += 1
        while position + 1 < bytes.count, bytes[position] != star || bytes[position + 1] != slash {
          position += 1
        }
        position += 2
      } else if byte > UInt8(ascii: " "), byte < 0x7f {
        tokens.append(String(decoding: [byte], as: UTF8.self))
      }
    }
    return tokens
  }
}

extension Substring {
  var trimmingNewlines: String {
    var text = self
    while text.first?.isNewline == true { text.removeFirst() }
    while text.last?.isNewline == true { text.removeLast() }
    return String(text)
  }
}
