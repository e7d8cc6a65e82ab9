public import Foundation
public import NormGen

/// A C compiler of this machine, for the claim that emitted files need nothing else.
public struct CCompiler: Sendable, CustomStringConvertible {
  /// The command.
  public let command: String
  /// The architecture it compiles for.
  public let architecture: String

  public var description: String { command }

  /// The compilers found here.
  public static let all: [CCompiler] = [
    CCompiler(command: "gcc", architecture: HostCPU.current.architecture),
    CCompiler(command: "clang", architecture: HostCPU.current.architecture),
    CCompiler(command: "aarch64-linux-gnu-gcc", architecture: "aarch64"),
  ].filter { $0.path != nil }

  private var path: String? {
    let directories = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return directories.map { "\($0)/\(command)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// Whether the compiler's code runs the target's instructions.
  public func compiles(_ target: Target) -> Bool {
    target.architecture == nil || target.architecture == architecture
  }

  /// Whether it compiles C++, too.
  public var hasCXX: Bool {
    guard let path else { return false }
    let directory = FileManager.default.temporaryDirectory
    return
      (try? Command.output(
        path, ["-x", "c++", "-fsyntax-only", "/dev/null"], in: directory)) != nil
  }

  /// Runs the compiler in a directory; fails with what it said.
  public func run(_ arguments: [String], in directory: URL) throws {
    try Command.output(path ?? command, arguments, in: directory)
  }
}

/// A program that is run to its end.
public enum Command {
  /// What a failed program said.
  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// The standard output and error of a program that succeeds.
  @discardableResult
  public static func output(
    _ path: String, _ arguments: [String], in directory: URL
  ) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = directory
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: data, as: UTF8.self)
    guard process.terminationStatus == 0 else {
      throw Failure(
        description: "\(path) \(arguments.joined(separator: " "))\n\(text.prefix(4000))")
    }
    return text
  }
}

/// Runs `body` with a directory that is removed with all it holds.
public func withTemporaryDirectory<Result>(_ body: (URL) throws -> Result) throws -> Result {
  let url = FileManager.default.temporaryDirectory
    .appendingPathComponent("normgen-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: url) }
  return try body(url)
}
