internal import Foundation

/// Text for a shell.
package enum CommandText {
  /// Whether an argument stands for itself in a shell, and may stand in a C comment.
  static func isPlain(_ argument: String) -> Bool {
    !argument.isEmpty
      && argument.unicodeScalars.allSatisfy { scalar in
        scalar.isASCII
          && (scalar.properties.isAlphabetic || "0123456789._+-".unicodeScalars.contains(scalar))
      }
  }

  /// The argument, in quotes where a shell needs them.
  package static func quoted(_ argument: String) -> String {
    if isPlain(argument.replacing("/", with: "")) { return argument }
    return "'" + argument.replacing("'", with: "'\\''") + "'"
  }
}
