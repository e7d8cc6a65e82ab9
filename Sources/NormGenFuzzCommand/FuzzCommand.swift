public import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck
internal import NormGenCLI
internal import NormGenFiles
internal import NormGenFuzz

/// The command `fuzz`, which judges random kernels.
public struct FuzzCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "fuzz",
    abstract: "Judge random kernels on all targets, and make those that fail small.",
    discussion: """
      Each kernel, with its numbers of rows and schedules, is chosen by a seed: that of the run plus \
      its number. Its text form must be read back as the same kernel, its results must lie within \
      the oracle's bounds, and all targets, schedules and numbers of threads must give the same \
      bits. A kernel that fails is made as small as possible and written to a text file. Kernels \
      that the planner refuses are counted by reason.
      """)

  @Option(
    help: ArgumentHelp(
      "Kernels to judge, with --resume those of all runs together; by default 1000, with --minutes "
        + "no limit.", valueName: "n"))
  var count: Int?

  @Option(help: ArgumentHelp("Minutes to go on for.", valueName: "n"))
  var minutes: Double?

  @Option(help: "The seed of the run, by default NORMGEN_SEED or a new one.")
  var seed: UInt64?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Instruction sets, or 'all'; by default all that run here.", valueName: "target"))
  var target: [String] = []

  @Option(
    name: [.short, .customLong("output")],
    help: ArgumentHelp("The directory of failing kernels' files.", valueName: "directory"))
  var output = "."

  @Option(
    help: ArgumentHelp(
      "A file that keeps the state of the run; the run goes on from it if it exists.",
      valueName: "file"))
  var resume: String?

  @Option(help: ArgumentHelp("Failures after which the run stops.", valueName: "n"))
  var failures = 5

  @Option(help: "The strategy to use, by default NORMGEN_STRATEGY or the first that applies.")
  var schedule: String?

  @Flag(help: "Print JSON.")
  var json = false

  public init() {}

  /// Kernels judged by default.
  static let defaultCount = 1000

  public func validate() throws {
    if let count, count < 1 {
      throw ValidationError("--count: expected a number from 1 on, found \(count)")
    }
    if let minutes, !(minutes > 0 && minutes.isFinite) {
      throw ValidationError("--minutes: expected a number above 0, found \(minutes)")
    }
    guard !output.isEmpty else {
      throw ValidationError("--output: expected a directory, found ''")
    }
    guard failures >= 1 else {
      throw ValidationError("--failures: expected a number from 1 on, found \(failures)")
    }
  }

  public func run() throws {
    var trace = try CompilerTrace.ofCommands()
    if let schedule { trace.strategy = schedule }
    var compiler = try Compiler(trace: trace)
    compiler.strategies = Registry.current.strategies
    let judge = try FuzzJudge(targets: try targets(compiler), compiler: compiler)
    let state = resume.map(FuzzState.init(path:))
    if let resume { try FileWriter.check(resume) }
    let totals = try totals(state, trace)
    // Printed first, so that a crash can be repeated.
    if json {
      Terminal.current.error("seed \(totals.seed)")
    } else {
      try Terminal.print("seed \(totals.seed)")
    }
    var run = FuzzRun(judge, from: totals)
    let report = try findings(&run, state)
    if json {
      try Terminal.print(try JSONText.of(report))
    } else {
      try Terminal.print(report.text)
    }
    if !report.totals.failed.isEmpty { throw ExitCode.failure }
    if !report.totals.unjudged.isEmpty { throw ExitCode.notJudged }
  }

  /// Judges until a limit is reached.
  private func findings(_ run: inout FuzzRun, _ state: FuzzState?) throws -> FuzzReport {
    let goal = count ?? (minutes == nil ? FuzzCommand.defaultCount : Int.max)
    let clock = ContinuousClock()
    let start = clock.now
    let already = run.totals.graphs
    var report = FuzzReport(run)
    while run.totals.graphs < goal, report.findings.count < failures {
      if let minutes, start.duration(to: clock.now) >= .seconds(minutes * 60) { break }
      let found = run.judgeNext(min(FuzzCommand.kernelsAtOnce, goal - run.totals.graphs))
      // The state is kept before the long part.
      try state?.write(run.totals)
      for (seed, failure) in found.prefix(failures - report.findings.count) {
        Terminal.progress("making the kernel of seed \(seed) smaller")
        let finding = FuzzFinding(seed: seed, failure, judge: run.judge)
        report.findings.append(
          try FuzzReport.Finding(finding, directory: output, notReplacing: resume))
      }
      report.totals = run.totals
      let seconds = start.duration(to: clock.now) / .seconds(1)
      report.seconds = seconds
      let rate = Double(run.totals.graphs - already) / seconds
      Terminal.progress(
        "\(run.totals.graphs)\(goal == .max ? "" : "/\(goal)") kernels, "
          + "\(String(format: "%.1f", rate))/s, \(run.totals.failed.count) failed")
    }
    Terminal.endProgress()
    return report
  }

  /// Kernels between two looks at the clock: batches take unlike times, and processors wait for the
  /// last one.
  private static let kernelsAtOnce =
    4 * FuzzRun.batch * ProcessInfo.processInfo.activeProcessorCount

  private func targets(_ compiler: Compiler) throws -> [Target] {
    let names = TargetSelection.names(in: target)
    guard !names.isEmpty else {
      return Target.all.filter { (try? TargetMachine.of($0)) == .native }
    }
    return try TargetSelection.targets(named: names)
  }

  private func totals(_ state: FuzzState?, _ trace: CompilerTrace) throws -> FuzzTotals {
    guard let known = try state?.read() else {
      return FuzzTotals(seed: seed ?? trace.seed ?? UInt64.random(in: 0...0xffff_ffff))
    }
    if let seed, seed != known.seed {
      throw ValidationError(
        "--seed: the run kept in '\(resume ?? "")' has seed \(known.seed), found \(seed)")
    }
    return known
  }
}

/// The file that keeps a run's state; each write replaces it whole.
struct FuzzState {
  let path: String

  /// The state, or nil if there is no file.
  func read() throws -> FuzzTotals? {
    let text: String
    do throws(TensorFileError) {
      text = String(decoding: try FileBytes.read(path, atMost: TextFile.byteLimit), as: UTF8.self)
    } catch .system(operation: "open", _, code: ENOENT) {
      return nil
    }
    let expected = "expected the state of a run of 'fuzz', found "
    guard let totals = try? JSONDecoder().decode(FuzzTotals.self, from: Data(text.utf8)) else {
      throw CommandError.file(path: path, reason: expected + "other text")
    }
    if let fault = totals.fault {
      throw CommandError.file(path: path, reason: expected + fault)
    }
    return totals
  }

  func write(_ totals: FuzzTotals) throws {
    _ = try FileWriter.write(
      [EmittedFile(path: path, text: try JSONText.of(totals) + "\n")], to: "")
  }
}
