internal import Foundation
internal import NormGenFiles

/// A table with aligned columns.
package struct TextTable {
  /// Where the cells of a column stand.
  package enum Alignment {
    case left, right
  }

  private let lines: [[String]]
  private let alignments: [Alignment]

  /// A table; columns without a given alignment are aligned left.
  package init(header: [String], alignments: [Alignment] = [], _ rows: [[String]]) {
    self.lines = [header] + rows
    self.alignments = alignments
  }

  /// The table as text, two blanks between columns and none at the ends of lines.
  package var text: String {
    let count = lines.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return lines.map { line in
      let cells = line.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        let isRight = column < alignments.count && alignments[column] == .right
        return isRight ? padding + cell : cell + padding
      }
      let joined = cells.joined(separator: "  ")
      return String(joined.prefix(joined.count - joined.reversed().prefix { $0 == " " }.count))
    }.joined(separator: "\n") + "\n"
  }
}

/// Prints values as JSON, the same bytes for the same value.
package enum JSONText {
  /// The value as indented JSON with sorted keys.
  package static func of(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return escaped(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// JSON's own escapes for what would not show itself; such characters stand in strings only.
  private static func escaped(_ text: String) -> String {
    func isPlain(_ scalar: Unicode.Scalar) -> Bool {
      scalar == "\n" || VisibleText.isVisible(scalar)
    }
    guard !text.unicodeScalars.allSatisfy(isPlain) else { return text }
    return text.unicodeScalars.map { scalar in
      isPlain(scalar)
        ? String(scalar)
        : String(scalar).utf16.map { String(format: "\\u%04x", $0) }.joined()
    }.joined()
  }
}
