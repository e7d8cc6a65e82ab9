/// A piece of the text form with its place.
struct Token: Sendable {
  enum Kind: Hashable, Sendable {
    case identifier(String)
    /// A shared value without a name, `%1`.
    case anonymous(String)
    case number(String)
    case symbol(String)
    case newline
    case end
  }

  let kind: Kind
  let line: Int
  let column: Int

  /// The token as an error message names it.
  var found: String {
    switch kind {
    case .identifier(let name), .anonymous(let name), .number(let name), .symbol(let name):
      "'\(name)'"
    case .newline: "the end of the line"
    case .end: "the end of the file"
    }
  }
}

/// Cuts the text form into tokens.
struct Lexer {
  private let characters: [Character]
  private let source: TextSource
  private var position = 0
  private var line = 1
  private var column = 1
  private var tokens: [Token] = []

  /// The tokens of `source`, ending in `.end`.
  static func tokens(of source: TextSource) throws(TextError) -> [Token] {
    var lexer = Lexer(source)
    try lexer.run()
    return lexer.tokens
  }

  private init(_ source: TextSource) {
    self.source = source
    self.characters = Array(source.text)
  }

  private mutating func run() throws(TextError) {
    while let character = peek() {
      if character.isNewline {
        append(.newline, length: 1)
        line += 1
        column = 1
      } else if character == " " || character == "\t" {
        advance(1)
      } else if character == "/", peek(1) == "/" {
        while let next = peek(), !next.isNewline { advance(1) }
      } else if isLetter(character) {
        let text = run { isLetter($0) || isDigit($0) }
        append(.identifier(text), length: text.count)
      } else if character == "%", let next = peek(1), isDigit(next) {
        let text = "%" + run(from: 1) { isDigit($0) }
        append(.anonymous(text), length: text.count)
      } else if isDigit(character) {
        let text = number()
        append(.number(text), length: text.count)
      } else if character == "-", peek(1) == ">" {
        append(.symbol("->"), length: 2)
      } else if "(){}[],:=+-*/>.".contains(character) {
        append(.symbol(String(character)), length: 1)
      } else {
        throw source.error(
          "expected a name, a number or an operator, found '\(character)'", line: line,
          column: column)
      }
    }
    append(.end, length: 0)
  }

  private func peek(_ offset: Int = 0) -> Character? {
    position + offset < characters.count ? characters[position + offset] : nil
  }

  private mutating func advance(_ count: Int) {
    position += count
    column += count
  }

  private mutating func append(_ kind: Token.Kind, length: Int) {
    tokens.append(Token(kind: kind, line: line, column: column))
    advance(length)
  }

  private func run(from offset: Int = 0, while belongs: (Character) -> Bool) -> String {
    var end = position + offset
    while end < characters.count, belongs(characters[end]) { end += 1 }
    return String(characters[(position + offset)..<end])
  }

  /// Digits, a fraction and an exponent, as much as there is.
  private func number() -> String {
    var end = position
    func digits() {
      while end < characters.count, isDigit(characters[end]) { end += 1 }
    }
    digits()
    if end + 1 < characters.count, characters[end] == ".", isDigit(characters[end + 1]) {
      end += 1
      digits()
    }
    if end < characters.count, characters[end] == "e" || characters[end] == "E" {
      var next = end + 1
      if next < characters.count, characters[next] == "-" || characters[next] == "+" { next += 1 }
      if next < characters.count, isDigit(characters[next]) {
        end = next
        digits()
      }
    }
    return String(characters[position..<end])
  }

  private func isLetter(_ character: Character) -> Bool {
    character == "_" || (character.isASCII && character.isLetter)
  }

  private func isDigit(_ character: Character) -> Bool {
    character.isASCII && character.isNumber
  }
}

/// A text with its name, split into lines for messages.
struct TextSource: Sendable {
  let file: String
  let text: String
  private let lines: [String]

  init(file: String, text: String) {
    self.file = file
    self.text = text
    self.lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }.map(String.init)
  }

  /// Longer messages are cut: they quote what was found, and that may be a whole file.
  private static let longestMessage = 1500

  func error(_ message: String, line: Int, column: Int) -> TextError {
    let isLong = message.utf8.count > TextSource.longestMessage
    let unicode = message.unicodeScalars.prefix(TextSource.longestMessage)
    return TextError(
      file: file, line: line, column: column,
      message: isLong ? String(String.UnicodeScalarView(unicode)) + "…" : message,
      sourceLine: line - 1 < lines.count ? lines[line - 1] : "")
  }

  func error(_ message: String, at token: Token) -> TextError {
    error(message, line: token.line, column: token.column)
  }
}
