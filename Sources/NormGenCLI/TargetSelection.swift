package import ArgumentParser
package import NormGen
import NormGenCheck

/// The options that choose the instruction set and the strategy of one lowering.
package struct TargetSelection: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "\(TargetSelection.names): the instruction set, by default NORMGEN_TARGET or the host's best.",
      valueName: "target"))
  package var target: String?

  @OptionGroup var strategy: ScheduleOption

  package init() {}

  /// A compiler for the chosen target.
  package func compiler() throws -> Compiler {
    let compiler = try strategy.compiler()
    guard let target else { return compiler }
    return compiler.with(target: try TargetSelection.target(named: target))
  }

  /// The names that may stand for a target.
  static var names: String { (Target.all.map(\.name) + ["host"]).joined(separator: ", ") }

  /// The names in an option's values, which may have commas; an empty name is one that does not exist.
  package static func names(in values: [String]) -> [String] {
    values.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
  }

  /// The targets with these names, each once.
  ///
  /// `all` stands for those that have a machine; a note names the others.
  package static func targets(named names: [String]) throws -> [Target] {
    var targets: [Target] = []
    for name in names {
      for target in name == "all" ? allWithMachine() : [try target(named: name)]
      where !targets.contains(target) {
        targets.append(target)
      }
    }
    return targets
  }

  private static func allWithMachine() -> [Target] {
    let machines = TargetMachine.targets
    for target in Target.all where !machines.contains(target) {
      Terminal.current.error("note: \(TargetMachineError.noMachine(target: target))")
    }
    return machines
  }

  /// The target with a name, or the host's best for `host`.
  static func target(named name: String) throws -> Target {
    try Compiler.target(named: name)
  }
}

/// The options that override the planner's choices.
struct ScheduleOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The strategy to use, by default NORMGEN_STRATEGY or the first that applies.",
      valueName: "strategy"))
  var schedule: String?

  @Flag(help: "Read the weights of matmuls as they are, without packing them before.")
  var plainWeights = false

  @Option(
    help: ArgumentHelp(
      "The most rows of a chunk of a kernel with matmuls, rounded up to whole tiles; by default as "
        + "many as the panels' memory allows. Sums over rows take chunks of 256.", valueName: "n"))
  var chunkRows: Int?

  /// Chunks beyond this are nothing but memory.
  private static let mostChunkRows = 1 << 16

  func validate() throws {
    guard let chunkRows, !(1...ScheduleOption.mostChunkRows).contains(chunkRows) else { return }
    throw ValidationError(
      "--chunk-rows: expected a number from 1 to \(ScheduleOption.mostChunkRows), "
        + "found \(chunkRows)")
  }

  /// Whether any option is given.
  var isGiven: Bool { schedule != nil || plainWeights || chunkRows != nil }

  /// A compiler for `NORMGEN_TARGET` or the host.
  func compiler() throws -> Compiler {
    var trace = try CompilerTrace.ofCommands()
    if let schedule { trace.strategy = schedule }
    var compiler = try Compiler(trace: trace)
    compiler.strategies = Registry.current.strategies
    if plainWeights || chunkRows != nil {
      compiler.schedule.matmul = MatmulSchedule(
        chunkRows: chunkRows, packsWeights: !plainWeights)
    }
    return compiler
  }
}

extension CompilerTrace {
  /// The switches of the environment, with notices on standard error.
  package static func ofCommands() throws(CompilerError) -> CompilerTrace {
    var trace = try fromEnvironment()
    let terminal = Terminal.current
    trace.notice = { terminal.error("note: \($0)") }
    return trace
  }
}

extension Compiler {
  /// The same compiler for another target.
  func with(target: Target) -> Compiler {
    var compiler = self
    compiler.target = target
    return compiler
  }

  /// The same compiler, whose emitted files name the command that emits them again.
  func emitting(_ kernel: SelectedKernel) -> Compiler {
    var compiler = self
    var schedule = trace.strategy.map { " --schedule \($0)" } ?? ""
    if let matmul = self.schedule.matmul {
      if !matmul.packsWeights { schedule += " --plain-weights" }
      if let rows = matmul.chunkRows { schedule += " --chunk-rows \(rows)" }
    }
    compiler.command =
      "\(Registry.current.plainCommandName) emit \(kernel.arguments) --target \(target.name)"
      + schedule
    return compiler
  }
}
