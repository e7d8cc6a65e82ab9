import Foundation
import NormGenTestSupport
import Testing

/// The gate itself: goldens are written on request only, and what is missing fails.
@Suite struct GoldensTests {
  private func withDirectory(_ body: (String) throws -> Void) throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("normgen-goldens-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: url) }
    try body(url.path)
  }

  private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  @Test func missingGoldenFailsAndWritesNothing() throws {
    try withDirectory { directory in
      let goldens = Goldens(directory: directory, environment: [:])
      #expect(throws: GoldenError.self) { try goldens.compare("text", "a.txt") }
      #expect(!exists(directory + "/a.txt"))
    }
  }

  @Test func nothingIsRecordedInContinuousIntegration() throws {
    try withDirectory { directory in
      let goldens = Goldens(
        directory: directory, environment: ["NORMGEN_RECORD_GOLDENS": "1", "CI": "true"])
      #expect(throws: GoldenError.self) { try goldens.compare("text", "a.txt") }
      #expect(!exists(directory + "/a.txt"))
    }
  }

  @Test func recordedGoldenIsComparedLineByLine() throws {
    try withDirectory { directory in
      let recording = Goldens(
        directory: directory, environment: ["NORMGEN_RECORD_GOLDENS": "1"])
      try recording.compare("a\nb\n", "a.txt")
      let goldens = Goldens(directory: directory, environment: [:])
      try goldens.compare("a\nb\n", "a.txt")
      let error = #expect(throws: GoldenError.self) { try goldens.compare("a\nc\n", "a.txt") }
      #expect(error?.difference == "line 2: expected 'b', found 'c'")
    }
  }
}
