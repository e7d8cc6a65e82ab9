internal import Dispatch
internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A program running with its output in a log file and no input.
struct Subprocess: ~Copyable {
  private let process: Process
  private let ended: DispatchSemaphore
  private let logFile: URL
  let tool: String

  init(
    _ tool: String, _ arguments: [String], in directory: borrowing TemporaryDirectory,
    log: String, environment: [String: String] = [:]
  ) throws(EmulationError) {
    self.tool = URL(fileURLWithPath: tool).lastPathComponent
    logFile = directory.url.appendingPathComponent(log)
    let process = Process()
    let ended = DispatchSemaphore(value: 0)
    self.process = process
    self.ended = ended
    try directory.write("", to: log)
    do {
      let output = try FileHandle(forWritingTo: logFile)
      // The child has its own descriptor once it runs.
      defer { try? output.close() }
      process.executableURL = URL(fileURLWithPath: tool)
      process.arguments = arguments
      process.currentDirectoryURL = directory.url
      process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = output
      process.standardError = output
      process.terminationHandler = { _ in ended.signal() }
      try process.run()
    } catch {
      throw .toolFailed(tool: tool, status: "cannot be started: \(error)", log: "")
    }
  }

  deinit { kill() }

  /// Waits for success, at most until the deadline; then the program is killed.
  borrowing func finish(
    by deadline: Deadline, accepting statuses: Set<Int32> = [0]
  ) throws(EmulationError) {
    guard ended.wait(timeout: deadline.time) == .success else {
      kill()
      throw .timeLimit(
        tool: tool, seconds: deadline.seconds, call: lastCall(), log: logTail())
    }
    let status = process.terminationStatus
    if process.terminationReason == .uncaughtSignal {
      throw .toolFailed(tool: tool, status: "ended by signal \(status)", log: logTail())
    }
    guard statuses.contains(status) else {
      throw .toolFailed(tool: tool, status: "exit status \(status)", log: logTail())
    }
  }

  /// The end of what the program wrote, without progress lines and those marked as information.
  borrowing func logTail() -> String {
    end(of: 16384).split(separator: "\n", omittingEmptySubsequences: true)
      .filter { !$0.hasPrefix("@call ") && !Self.isInformation($0) }
      .suffix(40).joined(separator: "\n")
  }

  // Bochs begins a line with eleven digits of time, a letter for its severity and a bracket.
  private static func isInformation(_ line: Substring) -> Bool {
    line.dropFirst(11).hasPrefix("i[") && line.prefix(11).allSatisfy(\.isNumber)
  }

  /// The last call that the emulated machine reported to have begun.
  private borrowing func lastCall() -> Int? {
    end(of: 4096).split(separator: "\n").last { $0.hasPrefix("@call ") }
      .flatMap { Int($0.dropFirst(6)) }
  }

  private borrowing func end(of limit: UInt64) -> String {
    guard let file = try? FileHandle(forReadingFrom: logFile) else { return "" }
    defer { try? file.close() }
    guard let size = try? file.seekToEnd(),
      (try? file.seek(toOffset: size > limit ? size - limit : 0)) != nil,
      let data = try? file.read(upToCount: Int(limit))
    else { return "" }
    // Terminal control characters and partial lines are dropped, not shown.
    return String(decoding: data.filter { $0 == 10 || ($0 >= 32 && $0 < 127) }, as: UTF8.self)
  }

  private borrowing func kill() {
    guard process.isRunning else { return }
    let identifier = process.processIdentifier
    guard identifier > 0 else { return }
    _ = endProcess(identifier)
    _ = ended.wait(timeout: .now() + 5)
  }
}

// A compiler driver has children; they share its process group where Foundation makes one.
private func endProcess(_ identifier: Int32) -> Bool {
  if getpgid(identifier) == identifier { return kill(-identifier, SIGKILL) == 0 }
  return kill(identifier, SIGKILL) == 0
}

/// A point in time that ends a wait, with the duration that led to it.
struct Deadline {
  let seconds: Double
  let time: DispatchTime

  init(after seconds: Double) {
    self.seconds = seconds
    time = .now() + seconds
  }
}
