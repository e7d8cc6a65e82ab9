import Foundation
import Testing

/// The commands of an article that edit emitted C print what the text below them says.
@Suite struct EditedSourceTests {
  /// Runs a block's lines by the shell in a directory of their own, with the tool that was built.
  private func output(of block: Article.Block) throws -> String {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("normgen-edit-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: directory) }
    let tests = try #require(CommandLine.arguments.first.map { URL(fileURLWithPath: $0) })
    let folders = [tests, Bundle.main.executableURL ?? tests].map {
      $0.deletingLastPathComponent().path
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", block.text]
    process.currentDirectoryURL = directory
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = (folders + [environment["PATH"] ?? ""]).joined(separator: ":")
    process.environment = environment
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self)
  }

  @Test func anEditShowsInTheComparison() throws {
    let article = try Repository.article("UsingTheC")
    let blocks = article.blocks.filter { $0.language == "sh" && $0.name == "edit" }
    let block = try #require(blocks.first)
    let output = try output(of: block)
    let verdicts = output.split(separator: "\n").filter {
      $0.hasPrefix("the same bits: ") || $0.hasPrefix("the bits differ: ")
    }
    #expect(verdicts.count == 2, "\(output)")
    for verdict in verdicts { #expect(article.prose.contains("`\(verdict)`"), "\(verdict)") }
  }
}
