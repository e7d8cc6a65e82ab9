/// Line breaking for emitted C.
enum CLayout {
  static let width = 100
  /// What a line holds however far it is indented.
  private static let leastRoom = 40

  /// A line, broken after commas or operators where it is too long; of ASCII, as all C outside comments.
  static func wrapped(_ text: String, depth: Int) -> [String] {
    var lines: [String] = []
    var rest = text[...]
    var indent = String(repeating: "  ", count: depth)
    while indent.utf8.count + rest.utf8.count > width {
      let room = max(width - indent.utf8.count, leastRoom)
      guard rest.utf8.count > room, let end = breakPoint(in: rest.prefix(room)) else { break }
      lines.append(indent + rest[..<end])
      rest = rest[end...].drop { $0 == " " }
      indent = String(repeating: "  ", count: depth + 2)
    }
    return lines + [indent + rest]
  }

  /// The lines of ``wrapped(_:depth:)`` as one text.
  static func wrappedText(_ text: String, depth: Int = 0) -> String {
    wrapped(text, depth: depth).joined(separator: "\n")
  }

  /// Where to break a prefix of a line: the last place among those inside the fewest parentheses, and of
  /// these rather behind a comma than behind a conjunction or an assignment or before an operator; without
  /// any, behind the last opening parenthesis.
  private static func breakPoint(in text: Substring) -> Substring.Index? {
    let trailing = [", ", " && ", " = "]
    let leading = [" ? ", " : ", " + ", " - ", " * ", " / "]
    var best: (place: Substring.Index, rank: (depth: Int, kind: Int))?
    var depth = 0
    // A break at once would leave next to nothing on the line.
    let least = min(width / 3, text.utf8.count / 2)
    for index in text.indices {
      switch text[index] {
      case "(": depth += 1
      case ")": depth -= 1
      default: break
      }
      let rest = text[index...]
      var place: Substring.Index?
      let rank = (depth, rest.hasPrefix(trailing[0]) ? 0 : 1)
      if let separator = trailing.first(where: { rest.hasPrefix($0) }) {
        place = text.index(index, offsetBy: separator.count - 1)
      } else if leading.contains(where: { rest.hasPrefix($0) }) {
        place = index
      }
      guard let place, text[..<place].utf8.count > least else { continue }
      if best.map({ rank <= $0.rank }) ?? true { best = (place, rank) }
    }
    return best?.place ?? text.lastIndex(of: "(").map { text.index(after: $0) }
  }

  /// A `//` comment, broken between words.
  static func comment(_ text: String, depth: Int) -> [String] {
    let indent = String(repeating: "  ", count: depth) + "//"
    return words(text, first: indent, next: indent)
  }

  /// Words joined into lines of at most the width, each after its prefix.
  static func words(_ text: String, first: String, next: String) -> [String] {
    var lines: [String] = []
    var line = first
    for word in text.split(separator: " ") {
      if line.count + 1 + word.count > width, line != first, line != next {
        lines.append(line)
        line = next
      }
      line += " " + word
    }
    return lines + [line]
  }
}
