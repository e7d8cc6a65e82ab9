import Foundation
import NormGen
@testable import NormGenCLI
import Testing

@Suite struct VerifyGeneratedTests {
  private static let registry: Registry = {
    var registry = Registry()
    registry.catalog = Catalog([
      .init(TestKernels.rmsNorm("own_norm", epsilon: 1e-6), "a test's own")
    ])
    return registry
  }()

  private func emitted() throws -> TestDirectory {
    let directory = try TestDirectory()
    let result = InProcessResult.of(
      ["emit", "--catalog", "-o", directory.path], registry: Self.registry)
    #expect(result.status == 0, "\(result.errors)")
    return directory
  }

  private func verified(_ directory: TestDirectory) -> InProcessResult {
    InProcessResult.of(["verify-generated", directory.path], registry: Self.registry)
  }

  @Test func whatWasJustEmittedIsRight() throws {
    let directory = try emitted()
    let result = verified(directory)
    #expect(result.status == 0)
    #expect(result.output == "\(directory.path): 8 files are as the catalog emits them\n")
  }

  @Test func aChangedFileShowsItsFirstDifferentLine() throws {
    let directory = try emitted()
    let text = try directory.text(of: "own_norm_avx2.c")
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let original = lines[4]
    lines[4] = " * edited"
    lines[9] += "later"
    try directory.write(lines.joined(separator: "\n"), to: "own_norm_avx2.c")
    let result = verified(directory)
    #expect(result.status == 1)
    #expect(
      result.output == """
        changed: \(directory.path)/own_norm_avx2.c, line 5
          emitted: \(original)
          found:    * edited
        to write what the catalog emits: normgen emit --catalog -o \(directory.path)

        """)
  }

  @Test func aFileThatEndsEarlyIsChanged() throws {
    let directory = try emitted()
    try directory.write("", to: "CATALOG.txt")
    let result = verified(directory)
    #expect(result.status == 1)
    #expect(
      result.output.hasPrefix(
        """
        changed: \(directory.path)/CATALOG.txt, line 1
          emitted: Kernels emitted by NormGen. Regenerate with
          found:   \n
        """))
  }

  @Test func aMissingFileIsListed() throws {
    let directory = try emitted()
    try FileManager.default.removeItem(atPath: directory.path("include/own_norm_neon.h"))
    let result = verified(directory)
    #expect(result.status == 1)
    #expect(
      result.output == """
        missing: \(directory.path)/include/own_norm_neon.h
        to write what the catalog emits: normgen emit --catalog -o \(directory.path)

        """)
  }

  @Test func anExtraFileIsListed() throws {
    let directory = try emitted()
    try directory.write("int x;\n", to: "include/old norm.h")
    let result = verified(directory)
    #expect(result.status == 1)
    #expect(
      result.output == """
        extra:   \(directory.path)/include/old norm.h
        to remove what it does not emit: rm '\(directory.path)/include/old norm.h'

        """)
  }

  @Test func emittingAgainMakesItRight() throws {
    let directory = try emitted()
    try directory.write("", to: "own_norm_neon.c")
    #expect(verified(directory).status == 1)
    let again = InProcessResult.of(
      ["emit", "--catalog", "-o", directory.path], registry: Self.registry)
    #expect(again.status == 0)
    #expect(verified(directory).status == 0)
  }

  @Test func aFolderThatIsNotThereIsAnError() throws {
    let result = InProcessResult.of(["verify-generated", "/nonexistent"], registry: Self.registry)
    #expect(result.status == 1)
    #expect(result.errors == "error: /nonexistent: expected a directory, found none\n")
  }

  @Test func theCommittedKernelsAreWhatTheCatalogEmits() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let result = try CommandLineFixture.normgen([
      "verify-generated", root.appendingPathComponent("Generated").path,
    ])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }
}
