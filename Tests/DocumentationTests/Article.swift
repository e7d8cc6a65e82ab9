import Foundation

/// A Markdown file of the documentation.
struct Article {
  /// The path below the root of the repository.
  let path: String
  /// Its lines.
  let lines: [String]

  /// A fenced block.
  struct Block {
    /// Where it begins, such as `Article.md:12`.
    let place: String
    /// The first word after the fence; empty for none.
    let language: String
    /// What follows the language.
    let name: String
    /// The text, without the fences.
    let lines: [String]

    var text: String { lines.joined(separator: "\n") }
  }

  init(path: String, text: String) {
    self.path = path
    self.lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// The fenced blocks in order; an open fence ends with the file.
  var blocks: [Block] {
    var blocks: [Block] = []
    var open: (line: Int, info: [String], lines: [String])?
    func close() {
      guard let block = open else { return }
      blocks.append(
        Block(
          place: "\(path):\(block.line)", language: block.info.first ?? "",
          name: block.info.dropFirst().joined(separator: " "), lines: block.lines))
      open = nil
    }
    for (number, line) in lines.enumerated() {
      if line.hasPrefix("```") {
        if open == nil {
          open = (number + 1, line.dropFirst(3).split(separator: " ").map(String.init), [])
        } else {
          close()
        }
      } else {
        open?.lines.append(line)
      }
    }
    close()
    return blocks
  }

  /// The text outside fenced blocks.
  var prose: String {
    var isCode = false
    return lines.filter { line in
      if line.hasPrefix("```") {
        isCode.toggle()
        return false
      }
      return !isCode
    }.joined(separator: "\n")
  }

  /// Whether a line stands in the text as it is.
  func contains(line: String) -> Bool { lines.contains(line) }
}

/// The repository that these tests belong to.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
  }

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// The files below a folder whose names end so, in the order of their paths.
  static func files(below folder: String, suffix: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: root.appendingPathComponent(folder).path)
      .filter { $0.hasSuffix(suffix) }.sorted().map { "\(folder)/\($0)" }
  }

  /// Every article, and those files at the root that exist.
  static func articles() throws -> [Article] {
    let paths = try files(below: "Sources/NormGen/NormGen.docc", suffix: ".md")
    let atRoot = ["CONTRIBUTING.md", "README.md"].filter(exists)
    return try (paths + atRoot).map { Article(path: $0, text: try text($0)) }
  }

  static func article(_ name: String) throws -> Article {
    let path = "Sources/NormGen/NormGen.docc/\(name).md"
    return Article(path: path, text: try text(path))
  }

  /// All Swift text of the package's targets.
  static func swiftSources() throws -> String {
    try files(below: "Sources", suffix: ".swift").map(text).joined(separator: "\n")
  }
}
