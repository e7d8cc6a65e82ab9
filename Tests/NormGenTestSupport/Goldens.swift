public import Foundation

/// Texts that a stage must reproduce, kept beside the tests that compare them.
///
/// `NORMGEN_RECORD_GOLDENS=1` writes them, except where `CI=true`; without it nothing is written,
/// and a missing file fails.
public struct Goldens: Sendable {
  private let directory: URL
  private let environment: [String: String]

  /// The folder `Goldens` beside a test file.
  public init(
    beside file: String = #filePath,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    directory = URL(fileURLWithPath: file).deletingLastPathComponent()
      .appendingPathComponent("Goldens")
    self.environment = environment
  }

  /// The folder at a path.
  public init(directory: String, environment: [String: String]) {
    self.directory = URL(fileURLWithPath: directory)
    self.environment = environment
  }

  private var records: Bool {
    environment["NORMGEN_RECORD_GOLDENS"] == "1" && environment["CI"] != "true"
  }

  /// Compares `text` with the golden `name`.
  ///
  /// - Throws: ``GoldenError`` when it is missing or differs.
  public func compare(_ text: String, _ name: String) throws {
    let file = directory.appendingPathComponent(name)
    let recorded = try? String(contentsOf: file, encoding: .utf8)
    if recorded == text { return }
    if records {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
      return
    }
    guard let recorded else { throw GoldenError(name: name, difference: "it is missing") }
    throw GoldenError(name: name, difference: GoldenError.firstDifference(recorded, text))
  }
}

/// A text that is not its golden.
public struct GoldenError: Error, CustomStringConvertible {
  /// The golden's file name.
  public let name: String
  /// The first line that differs.
  public let difference: String

  public var description: String {
    "golden \(name): \(difference); NORMGEN_RECORD_GOLDENS=1 records it, look at the diff then"
  }

  static func firstDifference(_ golden: String, _ text: String) -> String {
    let expected = golden.split(separator: "\n", omittingEmptySubsequences: false)
    let found = text.split(separator: "\n", omittingEmptySubsequences: false)
    for line in 0..<max(expected.count, found.count) {
      let left = line < expected.count ? String(expected[line]) : "the end"
      let right = line < found.count ? String(found[line]) : "the end"
      if left != right { return "line \(line + 1): expected '\(left)', found '\(right)'" }
    }
    return "equal lines"
  }
}
