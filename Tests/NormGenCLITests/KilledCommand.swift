import Foundation
import Testing

/// A command that writes files, run again and again and ended by force.
///
/// Before each run the files hold what an earlier command wrote. Afterwards each must hold that or
/// what the whole command writes.
struct KilledCommand {
  let program: String
  let arguments: [String]
  let directory: TestDirectory
  var environment: [String: String] = [:]
  /// What lies in the directory before: files that the command replaces. Empty for a cache.
  var before: [String: [UInt8]] = [:]

  /// Whether signals and the next run must remove what a killed one has left.
  var removesLeftovers = true

  /// How a run is ended.
  enum End {
    /// By SIGKILL after a time.
    case after(seconds: Double)
    /// By SIGKILL as soon as a temporary file is there.
    case writing
    /// By a signal that can be caught, as soon as a temporary file is there.
    case signalled(Int32)
    /// By the system, as soon as a file grows beyond a size: at exactly that byte.
    case fileSize(blocks: Int)
  }

  static let block = 512

  /// The files of the directory that are not temporary, by name.
  func files() throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in directory.files where !name.hasSuffix(".tmp") {
      files[name] = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory.path(name))))
    }
    return files
  }

  /// The names of the temporary files that killed runs have left.
  var leftovers: [String] { directory.files.filter { $0.hasSuffix(".tmp") } }

  /// Puts the directory in the state before a run.
  func reset() throws {
    for name in directory.files { try FileManager.default.removeItem(atPath: directory.path(name)) }
    for (name, bytes) in before { try directory.write(Data(bytes), to: name) }
  }

  /// Runs the whole command and returns the seconds that it took.
  @discardableResult func run() throws -> Double {
    let start = ContinuousClock.now
    let result = try CommandLineFixture.run(
      program, arguments, in: directory, environment: environment)
    #expect(result.status == 0, "\(result.errors)")
    return (ContinuousClock.now - start) / .seconds(1)
  }

  /// Runs the command and ends it; whether it was still running.
  func isEnded(_ end: End) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    if case .fileSize(let blocks) = end {
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments =
        ["-c", "ulimit -c 0; ulimit -f \(blocks); exec \"$@\"", "sh", program] + arguments
    }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: directory.path)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    // Threads of tests block signals, and processes begin with their maker's mask.
    var (none, mask) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &mask)
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    // And a shell may have this one ignored.
    if case .signalled(let number) = end {
      let handler = signal(number, SIG_DFL)
      defer { _ = signal(number, handler) }
      try process.run()
    } else {
      try process.run()
    }
    switch end {
    case .after(let seconds):
      usleep(UInt32(max(seconds, 0) * 1e6))
      kill(process.processIdentifier, SIGKILL)
    case .writing:
      while process.isRunning, leftovers.isEmpty { usleep(20) }
      kill(process.processIdentifier, SIGKILL)
    case .signalled(let number):
      while process.isRunning, leftovers.isEmpty { usleep(20) }
      kill(process.processIdentifier, number)
    case .fileSize: break
    }
    process.waitUntilExit()
    guard process.terminationReason == .uncaughtSignal else { return false }
    if case .signalled(let number) = end { #expect(process.terminationStatus == number) }
    return true
  }

  /// What is wrong after runs that were ended; the whole command must be right after each.
  ///
  /// - Parameter ends: How each run is ended.
  /// - Returns: How many runs were ended before they were done, and what was found.
  func trials(_ ends: [End]) throws -> (ended: Int, problems: [String]) {
    try reset()
    try run()
    let after = try files()
    var ended = 0
    var problems: [String] = []
    for end in ends {
      try reset()
      if try isEnded(end) { ended += 1 }
      for (name, bytes) in try files() where bytes != before[name] && bytes != after[name] {
        problems.append("\(end): '\(name)' has \(bytes.count) bytes, neither old nor new")
      }
      let missing = before.keys.filter { (try? files()[$0]) == nil }
      if !missing.isEmpty { problems.append("\(end): \(missing) have vanished") }
      // One for each file, of this run alone; none where the process could remove them.
      let most =
        switch end {
        case .signalled where removesLeftovers, .fileSize where removesLeftovers: 0
        default: max(after.count, 1)
        }
      if leftovers.count > most { problems.append("\(end): left \(leftovers)") }
      try run()
      if removesLeftovers, !leftovers.isEmpty {
        problems.append("\(end): the next run left \(leftovers)")
      }
      if try files() != after { problems.append("\(end): the next run writes something else") }
    }
    return (ended, problems)
  }
}
