internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck

/// Runs kernels and judges them by the oracle's derived bounds.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Run a kernel on seeded inputs and compare it with the oracle.",
    discussion: """
      The oracle evaluates the kernel's graph in Float64 with the declared rounding points and \
      derives a bound on the error of every element; an element beyond its bound is a failure. \
      Targets that this processor lacks are emulated. With several targets their bits are \
      compared with each other, too, and with --variations those of other ways to make the same calls. \
      --adversarial adds rows of special values: zeros of both signs, denormals, the greatest numbers, \
      NaN, infinities, constant rows, a mean beyond the deviation, one huge element, sums that cancel \
      and squares that overflow.
      """)

  @OptionGroup var selection: CheckedKernels

  @Flag(help: "Check rows of special values, too; alone without --rows.")
  var adversarial = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Numbers of rows.", discussion: "By default \(CheckCommand.boundaryRowsText).",
      valueName: "n"))
  var rows: [Int] = []

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

  @Option(help: "The seed of the inputs, by default NORMGEN_SEED or a new one.")
  var seed: UInt64?

  @Flag(help: "Print JSON.")
  var json = false

  /// None, one, and numbers around a few; an odd one last.
  static let boundaryRows = [0, 1, 2, 3, 17]

  static var boundaryRowsText: String { boundaryRows.map(String.init).joined(separator: " ") }

  func validate() throws {
    if let row = rows.first(where: { $0 < 0 }) {
      throw ValidationError("--rows: expected numbers from 0 on, found \(row)")
    }
    if allTargets, !target.isEmpty {
      throw ValidationError("--all-targets: can't go with --target")
    }
  }

  func run() throws {
    let kernels = try selection.kernels()
    let compiler = try strategy.compiler()
    let targets = try targets(default: compiler.target)
    for kernel in kernels {
      for rows in rows(for: kernel.graph) { try CheckMemory.admit(kernel.graph, rows: rows) }
    }
    let seed = seed ?? compiler.trace.seed ?? UInt64.random(in: 0...0xffff_ffff)
    // Printed first, so that a crash can be repeated.
    if json {
      Terminal.current.error("seed \(seed)")
    } else {
      try Terminal.print("seed \(seed)")
    }
    var reports: [CheckReport] = []
    for (number, kernel) in kernels.enumerated() {
      let place = kernels.count > 1 ? "\(number + 1)/\(kernels.count) " : ""
      let special = adversarial ? try SpecialRows(for: kernel.graph, seed: seed) : nil
      let comparison = try TargetComparison(
        of: kernel.graph, targets: targets, rows: rows(for: kernel.graph), seed: seed,
        compiler: compiler, threads: variation.threads(on: targets),
        variations: variation.chosen, special: special,
        progress: { Terminal.progress(place + $0) })
      Terminal.endProgress()
      let report = CheckReport(kernel.graph, comparison, seed: seed, special: special)
      if !json { try Terminal.print(selection.all ? report.summary : report.text) }
      reports.append(report)
    }
    if json {
      try Terminal.print(try JSONText.of(reports))
    } else if selection.all {
      let passed = reports.count { $0.passes }
      try Terminal.print("\(passed) of \(reports.count) kernels pass")
    }
    if reports.contains(where: { !$0.passes }) { throw ExitCode.failure }
  }

  /// The rows of the ordinary calls; those of the whole catalog stay within ``mostWork``.
  private func rows(for graph: Graph) -> [Int] {
    if !rows.isEmpty { return rows }
    if adversarial { return [] }
    guard selection.all else { return CheckCommand.boundaryRows }
    let row = KernelWork.ofRow(graph)
    return CheckCommand.boundaryRows.filter { $0 <= 1 || $0 * row <= CheckCommand.mostWork }
  }

  /// The most multiplications of a call when nobody has chosen its rows: seconds of the oracle.
  private static let mostWork = 1 << 26

  private func targets(default chosen: Target) throws -> [Target] {
    if allTargets { return Target.all }
    let names = target.flatMap { $0.split(separator: ",").map(String.init) }
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
