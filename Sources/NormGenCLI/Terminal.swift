internal import Foundation
internal import NormGenFiles

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Where a command writes: results to standard output, all else to standard error.
package struct Terminal: Sendable {
  /// Takes results.
  private let output: @Sendable (String) throws(TerminalError) -> Void
  /// Takes messages.
  private let messages: @Sendable (String) -> Void
  /// Whether somebody watches the messages appear.
  package let showsProgress: Bool

  /// A terminal that hands what is written to closures.
  package init(
    output: @escaping @Sendable (String) -> Void, messages: @escaping @Sendable (String) -> Void
  ) {
    self.init(write: { output($0) }, messages: messages, showsProgress: false)
  }

  private init(
    write: @escaping @Sendable (String) throws(TerminalError) -> Void,
    messages: @escaping @Sendable (String) -> Void, showsProgress: Bool
  ) {
    self.output = write
    self.messages = messages
    self.showsProgress = showsProgress
  }

  /// This process's standard output and standard error.
  package static let process = Terminal(
    write: { text throws(TerminalError) in try write(text, to: STDOUT_FILENO) },
    // Nobody is left to tell when standard error is closed.
    messages: { try? write($0, to: STDERR_FILENO) },
    showsProgress: isatty(STDERR_FILENO) == 1)

  /// The terminal of the running command.
  @TaskLocal package static var current = Terminal.process

  /// Writes a result, ended by a newline unless it ends in one.
  package static func print(_ text: String) throws(TerminalError) {
    let text = VisibleText.of(text, keeping: ["\n", "\t"])
    try current.output(text.hasSuffix("\n") ? text : text + "\n")
  }

  /// Writes a message, ended by a newline unless it ends in one.
  ///
  /// Of a very long one only the beginning is shown, and the beginnings of its lines.
  package func error(_ text: String) {
    let text = VisibleText.of(Terminal.bounded(text), keeping: ["\n", "\t"])
    messages((showsProgress ? Terminal.cleared : "") + (text.hasSuffix("\n") ? text : text + "\n"))
  }

  /// Lines of a message, and characters of a line, that are shown.
  private static let greatestMessage = (lines: 500, characters: 1000)

  private static func bounded(_ text: String) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    var shown = lines.prefix(greatestMessage.lines).map { line in
      let scalars = line.unicodeScalars
      guard scalars.count > greatestMessage.characters else { return String(line) }
      let rest = scalars.count - greatestMessage.characters
      return String(scalars.prefix(greatestMessage.characters)) + "… (\(rest) more characters)"
    }
    if lines.count > shown.count { shown.append("… (\(lines.count - shown.count) more lines)") }
    return shown.joined(separator: "\n")
  }

  /// Shows what is being done, in place of what was shown before, if somebody watches.
  package static func progress(_ text: String) {
    guard current.showsProgress else { return }
    current.messages(cleared + VisibleText.of(text))
  }

  /// Takes the shown progress away; to be called before results are printed.
  package static func endProgress() {
    guard current.showsProgress else { return }
    current.messages(cleared)
  }

  /// Back to the start of the line, with the line erased.
  private static let cleared = "\r\u{1B}[K"

  private static func write(_ text: String, to file: CInt) throws(TerminalError) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
      if count >= 0 {
        bytes = bytes.dropFirst(count)
      } else if errno != EINTR {
        throw TerminalError(code: errno)
      }
    }
  }
}

/// Results that could not be written.
package struct TerminalError: Error {
  let code: CInt

  /// Tells why and returns the exit status; a reader that went away is not told.
  func report() -> Int32 {
    if code == EPIPE { return 128 + SIGPIPE }
    Terminal.current.error(
      "error: standard output cannot be written: \(String(cString: strerror(code)))")
    return 1
  }
}
