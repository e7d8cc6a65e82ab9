import Foundation
import Testing

/// The commands tell of entries of the cache that had to be compiled again.
@Suite struct CacheNoteTests {
  private let directory: TestDirectory
  private let cache: TestDirectory

  init() throws {
    directory = try TestDirectory()
    cache = try TestDirectory()
  }

  /// Runs a kernel of this name with the cache.
  private func check(_ name: String) throws -> ProgramResult {
    let text = "kernel \(name)(x: f32[rows, 4]) {\n  y = x + 1.0\n} -> y: f32\n"
    let path = try directory.write(text, to: "\(name).ng")
    return try CommandLineFixture.normgen(
      ["check", path, "--rows", "3", "--target", "portable"], in: directory,
      environment: ["NORMGEN_CACHE": cache.path])
  }

  private func entries() throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: cache.path))
  }

  @Test func anEntryWithARightChecksumAndAWrongObjectIsMadeAnewOnceWithANote() throws {
    #expect(try check("first").errors == "")
    let first = try #require(try entries().first)
    #expect(try check("second").errors == "")
    let second = try #require(try entries().subtracting([first]).first)
    // Format and key of one, then length, checksum and object of the other.
    let key = try Data(contentsOf: URL(fileURLWithPath: cache.path(first))).prefix(40)
    let rest = try Data(contentsOf: URL(fileURLWithPath: cache.path(second))).dropFirst(40)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: cache.path(first)))
    try handle.truncate(atOffset: 0)
    try handle.write(contentsOf: key + rest)
    try handle.close()
    let mended = try check("first")
    #expect(mended.status == 0 && mended.output.contains("pass"))
    #expect(mended.errors.hasPrefix("note: the cache's entry of 'first' cannot be used: "))
    #expect(mended.errors.hasSuffix("; it was compiled again\n"))
    #expect(try check("first").errors == "")
  }
}
