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
  public var description: String {
    let shown = sourceLine.replacingTabs
    let caret = String(repeating: " ", count: max(0, column - 1)) + "^"
    return "\(file):\(line):\(column): error: \(message)\n  \(shown)\n  \(caret)"
  }
}

extension String {
  /// Tabs as one blank each, so that a caret stands under its column.
  fileprivate var replacingTabs: String { String(map { $0 == "\t" ? " " : $0 }) }
}
