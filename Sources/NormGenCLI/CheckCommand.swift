internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck

/// Runs kernels and judges them by the oracle's derived bounds.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Run a kernel on seeded inputs, or on files, and compare it with the oracle.",
    discussion: """
      The exact interpreter evaluates the kernel's graph in Float32 to the bit, and the oracle in \
      Float64 with a derived bound on the error of every element: a wrong bit is a failure, and so is \
      an element beyond its bound. Where an output is nothing but NaN or has no bound in every call, \
      it is reported as not judged, with status 3. Of large products all rows and drawn columns are \
      judged. Targets that this processor lacks are emulated. --input takes tensors from files in \
      place of seeded ones. A kernel that can't be checked leaves the others to be checked. \
      --variations compares the bits of other ways to make the same calls. \
      --adversarial adds rows of special values: zeros of both signs, denormals, the greatest numbers, \
      NaN, infinities, constant rows, a mean beyond the deviation, one huge element, sums that cancel \
      and squares that overflow.
      """)

  @OptionGroup var selection: CheckedKernels

  @OptionGroup var inputs: CallInputs

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Instruction sets, or 'all'; by default NORMGEN_TARGET or the host's best.",
      valueName: "target"))
  var target: [String] = []

  @Flag(help: "The same as --target all.")
  var allTargets = false

  @OptionGroup var variation: VariationOptions

  @OptionGroup var strategy: ScheduleOption

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if allTargets, !target.isEmpty {
      throw ValidationError("--all-targets: can't go with --target")
    }
    if selection.all, !inputs.areSeeded {
      throw ValidationError("--input: the tensors of one kernel or one file, not with --all")
    }
  }

  func run() throws {
    let compiler = try strategy.compiler()
    let targets = try targets(default: compiler.target)
    let kernels = try selection.kernels()
    let seed = inputs.seed ?? compiler.trace.seed ?? UInt64.random(in: 0...0xffff_ffff)
    let isOnly = kernels.count == 1
    let chosen = try kernels.map { kernel in
      try Result(of: kernel.graph.name, isOnly: isOnly) {
        let graph = try selection.gradient.applied(to: kernel).graph
        if inputs.areSeeded {
          for rows in inputs.rows { try CheckMemory.admit(graph, rows: rows) }
        }
        return graph
      }
    }
    // Printed first, so that a crash can be repeated.
    if json {
      if inputs.areSeeded { Terminal.current.error("seed \(seed)") }
    } else if inputs.areSeeded {
      try Terminal.print("seed \(seed)")
    }
    var reports: [CheckReport] = []
    for (number, (kernel, graph)) in zip(kernels, chosen).enumerated() {
      let place = isOnly ? "" : "\(number + 1)/\(kernels.count) "
      let result = try Result(of: kernel.graph.name, isOnly: isOnly) {
        try self.report(try graph.get(), targets, compiler, seed: seed, place: place)
      }
      Terminal.endProgress()
      let report =
        switch result {
        case .success(let report): report
        case .failure(let refusal): CheckReport(refusal, seed: inputs.areSeeded ? seed : nil)
        }
      if !json { try Terminal.print(selection.all ? report.summary : report.text) }
      reports.append(report)
    }
    if json {
      try Terminal.print(try JSONText.of(reports))
    } else if selection.all {
      let passed = reports.count { $0.passes && $0.unjudged.isEmpty }
      try Terminal.print("\(passed) of \(reports.count) kernels pass")
    }
    if reports.contains(where: { !$0.passes }) { throw ExitCode.failure }
    if reports.contains(where: { !$0.unjudged.isEmpty }) { throw ExitCode.notJudged }
  }

  private func report(
    _ graph: Graph, _ targets: [Target], _ compiler: Compiler, seed: UInt64, place: String
  ) throws -> CheckReport {
    // Of all targets, those with code of their own; one that is named is compared as it is.
    let targets = targets.count == 1 ? targets : targets.filter { $0.hasOwnCode(for: graph) }
    let calls = try inputs.calls(of: graph, seed: seed, rows: boundaryRows(for: graph))
    let comparison = try TargetComparison(
      of: graph, targets: targets, inputs: calls.map(\.inputs), compiler: compiler,
      threads: variation.threads(on: targets), variations: variation.chosen,
      progress: { Terminal.progress(place + $0) })
    return CheckReport(
      graph, comparison, seed: inputs.areSeeded ? seed : nil, special: calls.last?.special)
  }

  /// The rows of the calls when nobody has chosen them; those of the whole catalog stay within
  /// ``mostWork``.
  private func boundaryRows(for graph: Graph) -> [Int] {
    guard selection.all else { return CallInputs.boundaryRows }
    let row = KernelWork.ofRow(graph)
    return CallInputs.boundaryRows.filter { $0 <= 1 || $0 * row <= CheckCommand.mostWork }
  }

  /// The most multiplications of a call when nobody has chosen its rows: seconds of the oracle.
  private static let mostWork = 1 << 26

  private func targets(default chosen: Target) throws -> [Target] {
    let names = allTargets ? ["all"] : TargetSelection.names(in: target)
    guard !names.isEmpty else { return [chosen] }
    return try TargetSelection.targets(named: names)
  }
}

/// Refuses calls whose check would not fit this machine's memory.
enum CheckMemory {
  static func admit(_ graph: Graph, rows: Int) throws(CommandError) {
    // The oracle keeps every value with its bound.
    var elements = 0
    for node in graph.nodes {
      let count = node.shape.hasRows ? rows : 1
      let (product, overflows) = count.multipliedReportingOverflow(by: node.shape.elementsPerRow)
      guard !overflows, product <= Int.max >> 8 else { throw tooLarge(graph, rows) }
      elements += product
      guard elements <= Int.max >> 8 else { throw tooLarge(graph, rows) }
    }
    let bytes = UInt64(elements * MemoryLayout<Bounded>.stride)
    guard bytes <= ProcessInfo.processInfo.physicalMemory / 2 else { throw tooLarge(graph, rows) }
  }

  private static func tooLarge(_ graph: Graph, _ rows: Int) -> CommandError {
    .memory(action: "checking", kernel: graph.name, rows: rows)
  }
}
