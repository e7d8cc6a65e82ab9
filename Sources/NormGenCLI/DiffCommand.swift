internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck

/// Compares two kernels on the same inputs.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two kernels on the same inputs, bit by bit and by the oracle's bounds.",
    discussion: """
      A and B are each a kernel's name, FILE.ng or FILE.ng:KERNEL, C in FILE.c (emitted, and edited \
      since), or a shared library FILE.so that defines an emitted kernel's functions. @TARGET behind \
      any of them says what it runs on. C and libraries have the graph of the other side, or that of \
      --graph, and by default the target whose functions they define. Instead of B: --source FILE.c, \
      or two targets behind --target. The status is 0 if no bit differs and \
      both have the bits that their graphs fix, or with --within-bound if the values of both lie within \
      A's bound; otherwise 1, and 3 if nothing could be judged of an output.
      """)

  @Argument(
    help: ArgumentHelp("The first kernel, whose bound --within-bound takes.", valueName: "A"))
  var first: String

  @Argument(help: ArgumentHelp("The second kernel.", valueName: "B"))
  var second: String?

  @Option(
    help: ArgumentHelp("C to compare A with, such as an edited copy.", valueName: "file.c"))
  var source: String?

  @Option(
    help: ArgumentHelp(
      "What C and libraries compute where neither A nor B names a kernel.",
      valueName: "KERNEL|FILE.ng"))
  var graph: String?

  @OptionGroup var choice: FileKernelOption
  @OptionGroup var gradient: GradientOption

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "One instruction set for both, or A's and B's; by default NORMGEN_TARGET or the host's best.",
      valueName: "target"))
  var target: [String] = []

  @OptionGroup var strategy: ScheduleOption
  @OptionGroup var inputs: CallInputs

  @Option(help: ArgumentHelp("The most threads that share a call.", valueName: "n"))
  var threads = 1

  @Flag(help: "Accept bits that differ if the values of both lie within A's bound.")
  var withinBound = false

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard threads >= 1 else {
      throw ValidationError("--threads: expected a number from 1 on, found \(threads)")
    }
    guard target.count <= 2 else {
      throw ValidationError("--target: expected one target or A's and B's, found \(target.count)")
    }
    if let second, source != nil {
      throw ValidationError("--source: stands in B's place, found B ('\(second)') besides")
    }
    if second == nil, source == nil, target.count < 2 {
      throw ValidationError("expected B, --source FILE.c, or two targets to compare A on")
    }
  }

  func run() throws {
    let sides = [DiffSide(first), DiffSide(source ?? second ?? first)]
    let named = try sides.map { try $0.kernel(kernelOfFile: choice.kernelName, gradient) }
    let meaning = try graph.map {
      try DiffSide($0).kernel(kernelOfFile: choice.kernelName, gradient)
    }
    let given = named.compactMap { $0 }.first ?? meaning ?? nil
    guard let given else { throw CommandError.diffWithoutGraph(first, source ?? second ?? "") }
    let graphs = named.map { ($0 ?? given).graph }
    let compilers = try compilers(sides, graphs)
    let kernels = try zip(sides, zip(graphs, compilers)).map { side, pair in
      try side.compared(pair.0, pair.1)
    }
    let seed = inputs.seed ?? compilers[0].trace.seed ?? .random(in: 0...0xffff_ffff)
    let calls = try inputs.calls(of: graphs[0], seed: seed)
    if !json, inputs.areSeeded { try Terminal.print("seed \(seed)") }
    let comparison = try KernelComparison(
      kernels[0], kernels[1], inputs: calls.map(\.inputs), threads: threads,
      progress: { Terminal.progress($0) })
    Terminal.endProgress()
    let report = DiffReport(
      comparison, calls, kernels, names: zip(sides, kernels).map { $0.description($1) },
      seed: inputs.areSeeded ? seed : nil, acceptsBound: withinBound)
    try Terminal.print(json ? try JSONText.of(report) : report.text)
    if !report.passes { throw ExitCode.failure }
    if !report.unjudged.isEmpty { throw ExitCode.notJudged }
  }

  /// A compiler for each side's target.
  private func compilers(_ sides: [DiffSide], _ graphs: [Graph]) throws -> [Compiler] {
    let compiler = try strategy.compiler()
    var targets: [Target?] = []
    for (position, side) in sides.enumerated() {
      let name = side.target ?? (target.count == 2 ? target[position] : target.first)
      let given = try name.map { try TargetSelection.target(named: $0) }
      targets.append(
        try codeTarget(of: side, graphs[position].name, given) ?? given)
    }
    let other = targets.compactMap { $0 }.first ?? compiler.target
    return targets.map { compiler.with(target: $0 ?? other) }
  }

  /// The target of C or a library: the one given, or the only one that it has functions for.
  private func codeTarget(
    of side: DiffSide, _ kernel: String, _ given: Target?
  ) throws -> Target? {
    guard let defined = try side.definedTargets(of: kernel) else { return nil }
    if let given, defined.contains(given) { return given }
    guard given == nil, let only = defined.first, defined.count == 1 else {
      throw CommandError.functionsOfTargets(
        path: side.path, kernel: kernel, expected: (given.map { [$0] } ?? Target.all).map(\.name),
        found: defined.map(\.name))
    }
    return only
  }
}
