import ArgumentParser
import Foundation
import NormGen
@testable import NormGenCLI
import NormGenTool
import Synchronization

/// A line of a shell block.
struct ShellCommand {
  /// The words, without assignments in front and without redirections.
  let words: [String]

  /// The commands of a block: comments dropped, continued lines joined, pipes cut.
  static func all(in block: Article.Block) -> [ShellCommand] {
    let joined = block.text.replacingOccurrences(of: "\\\n", with: " ")
    return joined.split(separator: "\n").flatMap { line in
      line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)[0]
        .split(separator: "|").flatMap { $0.components(separatedBy: "&&") }
        .map { ShellCommand(String($0)) }
    }.filter { !$0.words.isEmpty }
  }

  init(_ line: String) {
    var words = line.split(separator: " ").map(String.init)
    while let first = words.first, first.contains("="), !first.hasPrefix("-") {
      words.removeFirst()
    }
    if let redirection = words.firstIndex(where: { $0.hasPrefix(">") || $0.hasPrefix("<") }) {
      words.removeSubrange(redirection...)
    }
    self.words = words
  }

  /// What is wrong with the command; nil if nothing is known to be.
  func problem() throws -> String? {
    switch words.first {
    case "normgen", ".build/release/normgen": return normgenProblem(Array(words.dropFirst()))
    case "make":
      let makefile = try Repository.text("Makefile")
      for target in words.dropFirst() where !makefile.contains("\n\(target):") {
        return "the Makefile has no target '\(target)'"
      }
      return nil
    case "swift":
      guard let filter = words.firstIndex(of: "--filter"), filter + 1 < words.count else {
        return nil
      }
      let name = words[filter + 1]
      return Repository.exists("Tests/\(name)") ? nil : "no tests are in Tests/\(name)"
    case let program?:
      let known = [
        "cc", "sh", "git", "cp", "cmp", "cd", "mkdir", "python3", "gdb", "objdump", "sed",
      ]
      if known.contains(program) { return nil }
      return Repository.exists(program) ? nil : "'\(program)' is no file and no known program"
    case nil: return nil
    }
  }

  private func normgenProblem(_ arguments: [String]) -> String? {
    do {
      _ = try Registry.$current.withValue(.normgen) {
        try NormGenCommand.parseAsRoot(arguments)
      }
    } catch  where NormGenCommand.exitCode(for: error) != .success {
      return NormGenCommand.message(for: error)
    } catch {
      return nil
    }
    let isKernel = { (word: String) in
      DType.allCases.contains { word.hasSuffix("_\($0.rawValue)") } && !word.contains("=")
    }
    return arguments.first { isKernel($0) && Catalog.standard[$0] == nil }
      .map { "the catalog has no kernel '\($0)'" }
  }
}

/// A command and what it prints: the first line of a console block, and the rest of it.
struct ConsoleBlock {
  private let place: String
  private let arguments: [String]
  private let expected: [String]

  /// Reads a block whose first line is `$ normgen …`.
  init?(_ block: Article.Block) {
    guard block.language == "console", let first = block.lines.first, first.hasPrefix("$ normgen ")
    else { return nil }
    place = block.place
    arguments = first.split(separator: " ").dropFirst(2).map(String.init)
    expected = Array(block.lines.dropFirst())
  }

  /// How the command's output differs; a line `...` stands for any lines.
  func problem() -> String? {
    let texts = Texts()
    _ = NormGenCommandLine.status(
      of: arguments, registry: .normgen,
      terminal: Terminal(
        output: { text in texts.all.withLock { $0 += text } },
        messages: { text in texts.all.withLock { $0 += text } }))
    var found = texts.all.withLock { $0 }.split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
    while found.last == "" { found.removeLast() }
    var position = 0
    var mayskip = false
    for line in expected {
      if line == "..." {
        mayskip = true
        continue
      }
      if mayskip {
        guard let next = found[position...].firstIndex(of: line) else {
          return "\(place): '\(line)' is not printed"
        }
        position = next
        mayskip = false
      }
      guard position < found.count, found[position] == line else {
        let instead = position < found.count ? "'\(found[position])'" : "the end"
        return "\(place): expected '\(line)', the command prints \(instead)"
      }
      position += 1
    }
    return mayskip || position == found.count
      ? nil : "\(place): the command prints '\(found[position])' behind the last line"
  }

  private final class Texts: Sendable {
    let all = Mutex("")
  }
}
