import Foundation
import Testing

/// A directory of a test's own, removed with the value.
final class TestDirectory {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("normgen-cli-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func path(_ name: String) -> String { "\(path)/\(name)" }

  @discardableResult
  func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }

  func text(of name: String) throws -> String {
    try String(contentsOfFile: path(name), encoding: .utf8)
  }

  /// The paths of all files below the directory, sorted.
  var files: [String] {
    (FileManager.default.subpaths(atPath: path) ?? []).filter { name in
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: path(name), isDirectory: &isDirectory)
      return !isDirectory.boolValue
    }.sorted()
  }
}

/// What a program wrote and how it ended.
struct ProgramResult {
  let status: Int32
  let endedBySignal: Bool
  let output: String
  let errors: String
}

/// Programs run by tests: the built tool, and compilers.
enum CommandLineFixture {
  /// The tool that was built together with these tests. With an empty cache and other tests beside it a
  /// command may compile for minutes.
  static func normgen(
    _ arguments: [String], in directory: TestDirectory? = nil,
    environment: [String: String] = [:]
  ) throws -> ProgramResult {
    try run(
      try toolPath(), arguments, in: directory, environment: environment, timeLimit: 900)
  }

  /// Where the tool lies: beside the tests.
  static func toolPath() throws -> String {
    let tests = try #require(CommandLine.arguments.first.map { URL(fileURLWithPath: $0) })
    var candidates = [tests.deletingLastPathComponent()]
    if let main = Bundle.main.executableURL { candidates.append(main.deletingLastPathComponent()) }
    return try #require(
      candidates.map { $0.appendingPathComponent("normgen").path }
        .first { FileManager.default.isExecutableFile(atPath: $0) },
      "normgen is not beside the tests in \(candidates.map(\.path))")
  }

  /// A program of `PATH`, or one given by its path; it is killed after `timeLimit` seconds.
  static func run(
    _ program: String, _ arguments: [String], in directory: TestDirectory? = nil,
    environment: [String: String] = [:], timeLimit: Double = 120
  ) throws -> ProgramResult {
    let files = try TestDirectory()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try path(of: program))
    process.arguments = arguments
    var values = ProcessInfo.processInfo.environment
    for name in values.keys where name.hasPrefix("NORMGEN_") { values[name] = nil }
    values["NORMGEN_CACHE"] = ProcessInfo.processInfo.environment["NORMGEN_CACHE"]
    process.environment = values.merging(environment) { $1 }
    if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory.path) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try handle(files, "output")
    process.standardError = try handle(files, "errors")
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    if ended.wait(timeout: .now() + timeLimit) == .timedOut {
      kill(process.processIdentifier, SIGKILL)
      ended.wait()
      Issue.record("\(program) \(arguments) was killed after \(timeLimit) s")
    }
    return ProgramResult(
      status: process.terminationStatus,
      endedBySignal: process.terminationReason == .uncaughtSignal,
      output: try files.text(of: "output"), errors: try files.text(of: "errors"))
  }

  private static func handle(_ directory: TestDirectory, _ name: String) throws -> FileHandle {
    try directory.write("", to: name)
    return try FileHandle(forWritingTo: URL(fileURLWithPath: directory.path(name)))
  }

  private static func path(of program: String) throws -> String {
    if program.contains("/") { return program }
    let directories = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    return try #require(
      directories.map { "\($0)/\(program)" }
        .first { FileManager.default.isExecutableFile(atPath: $0) },
      "\(program) is not installed; 'make test' installs what the tests need")
  }
}
