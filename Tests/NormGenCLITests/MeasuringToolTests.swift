import Foundation
import Testing

/// The Python tools say at once what would make minutes of measuring useless.
@Suite struct MeasuringToolTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// Runs a tool of the repository with arguments after it.
  private func run(_ tool: String, _ arguments: [String]) throws -> (status: Int32, errors: String)
  {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", Self.root + "/" + tool] + arguments
    process.environment = ProcessInfo.processInfo.environment
      .merging(["PYTHONDONTWRITEBYTECODE": "1"]) { $1 }
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }

  @Test func peersCheckTheirOutputsBeforeTheyMeasure() throws {
    let folder = try TestDirectory()
    let results = try TestDirectory()
    let file = try folder.write("", to: "file")
    let missing = folder.path("missing")
    // A program that would run, and ends at once.
    let common = ["--normgen", "/bin/true", "--threads", "1"]
    let trials: [(arguments: [String], named: String)] = [
      (["--folder", folder.path, "--results", missing], missing),
      (["--folder", folder.path, "--results", file], file),
      (["--folder", missing, "--results", results.path], missing),
      (["--folder", folder.path, "--results", results.path, "--threads", "100000"], "100000"),
      (["--folder", folder.path, "--results", results.path, "--report"], results.path),
      (["--folder", folder.path, "--results", results.path, "--rounds", "0"], "--rounds"),
      (["--folder", folder.path, "--results", results.path, "--normgen", missing], missing),
    ]
    for trial in trials {
      let found = try run("Benchmarks/peers", common + trial.arguments)
      #expect(found.status != 0, "\(trial.arguments)")
      #expect(found.errors.contains("error: "), "\(trial.arguments): \(found.errors)")
      #expect(found.errors.contains(trial.named), "\(trial.arguments): \(found.errors)")
      #expect(!found.errors.contains("Traceback"), "\(trial.arguments): \(found.errors)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: results.path) == [])
  }

  @Test func theSweepOfElementaryFunctionsRefusesWhatIsNoStride() throws {
    for word in ["sweep", "0", "-1", "1.5"] {
      let found = try run("Benchmarks/elementary/measure.py", [word])
      #expect(found.status == 1)
      #expect(found.errors.contains("'\(word)'") && !found.errors.contains("Traceback"))
    }
  }
}
