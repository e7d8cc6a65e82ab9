/// Text from files and arguments as it may be shown: nothing in it moves the cursor, changes colours or
/// turns the direction of writing.
package enum VisibleText {
  /// The text with all control and format characters as escapes such as `\u{1b}`, and with bytes that
  /// are not UTF-8 as `\xff`.
  ///
  /// - Parameter kept: Characters that stay as they are.
  package static func of(_ text: String, keeping kept: Set<Unicode.Scalar> = []) -> String {
    guard text.unicodeScalars.contains(where: { !isVisible($0) && !kept.contains($0) }) else {
      return text
    }
    var shown = ""
    for scalar in text.unicodeScalars {
      if isVisible(scalar) || kept.contains(scalar) {
        shown.unicodeScalars.append(scalar)
      } else {
        shown += escape(scalar)
      }
    }
    return shown
  }

  /// Whether a character shows itself and leaves all others as they are.
  package static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return (0x20..<0x7f).contains(scalar.value) }
    if SystemText.byte(of: scalar) != nil { return false }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return false
    default: return true
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    if let byte = SystemText.byte(of: scalar) { return "\\x" + String(byte, radix: 16) }
    switch scalar {
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default: return "\\u{" + String(scalar.value, radix: 16) + "}"
    }
  }

  /// The beginning of a text, as it may be shown in a message.
  package static func excerpt(_ text: String) -> String {
    let limit = 160
    let start = text.unicodeScalars.prefix(limit + 1)
    let shown = of(String(String.UnicodeScalarView(start.prefix(limit))))
    return start.count > limit ? shown + "…" : shown
  }
}

/// A text from a file or a command line in quotes, safe to print.
func quoted(_ text: String) -> String { "'\(excerpt(text))'" }

/// The beginning of a text, safe to print.
func excerpt(_ text: String) -> String { VisibleText.excerpt(text) }
