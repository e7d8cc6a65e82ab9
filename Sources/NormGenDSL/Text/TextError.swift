/// A mistake in the text form: where it is, what was expected and what was found.
public struct TextError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file's name as given.
  public let file: String
  /// The line, from 1.
  public let line: Int
  /// The column in characters, from 1.
  public let column: Int
  /// What is wrong.
  public let message: String
  /// The text of the line.
  public let sourceLine: String

  /// The message with its place, the line and a caret below the column.
  ///
  /// Of a long line only what stands around the column is shown.
  public var description: String {
    let characters = Array(sourceLine.replacingTabs)
    let start = max(0, min(column - 1 - Self.excerpt / 2, characters.count - Self.excerpt))
    let end = min(characters.count, start + Self.excerpt)
    let shown =
      (start > 0 ? "…" : "") + String(characters[start..<end]) + (end < characters.count ? "…" : "")
    let place = max(0, column - 1 - start) + (start > 0 ? 1 : 0)
    let caret = String(repeating: " ", count: place) + "^"
    return "\(file):\(line):\(column): error: \(message)\n  \(shown)\n  \(caret)"
  }

  /// Characters of a line that are shown.
  private static let excerpt = 160
}

extension String {
  /// Tabs as one blank each, so that a caret stands under its column.
  fileprivate var replacingTabs: String { String(map { $0 == "\t" ? " " : $0 }) }
}
