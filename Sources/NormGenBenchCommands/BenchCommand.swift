public import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCLI
internal import NormGenMeasure
internal import NormGenPlots

/// The command `bench`, which times kernels beside the limits of the machine and a plain copy of the
/// same bytes.
public struct BenchCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time kernels beside the machine's limits and memcpy, in the same run.",
    discussion: """
      Kernel, memcpy and the loops that reach the machine's limits are timed in turns, in one \
      thread, on warm memory; --threads lets more of them share the kernel's call, and nothing else. The limit of a call is the longer of two times: its operations at \
      the peak of multiply-adds or bf16 dot products, and moving as many bytes as it must (each \
      input and each output once) from where they lie, through the caches or past them. Ratios \
      are medians over the rounds, with their quartiles; memcpy reads and writes as many bytes. \
      Without a kernel the suite of the documentation is timed, in f32 and bf16: RMSNorm, \
      LayerNorm, partial RMSNorm, RMSNorm to int8, residual + RMSNorm, norms of heads, the gated SiLU and matmuls, \
      bare and with bias, GELU and RMSNorm, and with weights in quantized blocks.
      """)

  @Argument(
    help: ArgumentHelp("Kernels' names, or text files.", valueName: "KERNEL|FILE.ng"))
  var kernels: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Numbers of rows of a call; for named kernels.", valueName: "n"))
  var rows: [Int] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Time kernels of these groups only: \(BenchCommand.groupNames).", valueName: "group"),
    transform: BenchCommand.group(named:))
  var group: [BenchmarkGroup] = []

  @Option(help: ArgumentHelp("The most threads that share a call.", valueName: "n"))
  var threads = 1

  @Option(help: ArgumentHelp("Rounds of each measurement.", valueName: "n"))
  var rounds = 15

  @OptionGroup var target: TargetSelection

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Print Markdown.")
  var markdown = false

  @Option(
    help: ArgumentHelp(
      "Also draw the roofline and the ratios to the limit in this file.", valueName: "FILE.svg"))
  var plot: String?

  public init() {}

  private static let groupNames = BenchmarkGroup.allCases.map(\.rawValue)
    .joined(separator: ", ")

  private static func group(named name: String) throws -> BenchmarkGroup {
    guard let group = BenchmarkGroup(rawValue: name) else {
      throw ValidationError("expected one of \(groupNames), found '\(name)'")
    }
    return group
  }

  public func validate() throws {
    if json && markdown { throw ValidationError("choose one of --json and --markdown") }
    guard rounds >= 3 else {
      throw ValidationError("--rounds: expected at least 3, found \(rounds)")
    }
    guard (1...256).contains(threads) else {
      throw ValidationError("--threads: expected a number from 1 to 256, found \(threads)")
    }
    guard rows.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--rows: expected numbers above 0, found \(rows)")
    }
    if let plot, !plot.hasSuffix(".svg") || plot.hasSuffix("/.svg") || plot == ".svg" {
      throw ValidationError("--plot: expected a name that ends in .svg, found '\(plot)'")
    }
    if kernels.isEmpty, !rows.isEmpty {
      throw ValidationError("--rows: the suite has rows of its own; name kernels to choose others")
    }
  }

  public func run() throws {
    let compiler = try target.compiler()
    let read = kernels.filter(SelectedKernel.isFile)
    if let plot { try FileWriter.check(plot, notReplacing: read) }
    var refusals = KernelRefusals()
    let cases = try admitted(try cases(), compiler, &refusals)
    guard let first = cases.first else { return try refusals.throwIfAny() }
    let compileTime = try withTemporaryDirectory { directory in
      try CompileTime(first.graph, compiler: compiler, cacheDirectory: directory)
    }
    let overhead = try CallOverhead(try compiler.compile(first.graph))
    Terminal.progress("the machine's limits")
    let loops = try LimitLoops(cache: compiler.cache, trace: compiler.trace)
    let limits = MachineLimits(loops, rounds: rounds)
    var results: [KernelBenchmark] = []
    for (index, one) in cases.enumerated() {
      Terminal.progress("\(index + 1)/\(cases.count) \(one.graph.name), \(one.rows) rows")
      let compiled = try compiler.compile(one.graph)
      results.append(
        try KernelBenchmark(
          compiled, rows: one.rows, threads: threads, loops: loops, rounds: rounds))
    }
    Terminal.endProgress()
    let report = BenchReport(
      limits: limits, threads: threads, kernels: results, calls: overhead, compiling: compileTime)
    if json {
      try Terminal.print(try JSONText.of(report))
    } else {
      try Terminal.print(markdown ? report.markdown : report.text)
    }
    if let plot {
      let text = BenchmarkPlot(report).document.text
      _ = try FileWriter.write([EmittedFile(path: plot, text: text)], to: "", notReplacing: read)
    }
    try refusals.throwIfAny()
  }

  /// The cases of kernels that compile; buffers beyond memory end the command before it measures.
  private func admitted(
    _ cases: [BenchmarkCase], _ compiler: Compiler, _ refusals: inout KernelRefusals
  ) throws -> [BenchmarkCase] {
    let isOnly = Set(cases.map(\.graph.name)).count == 1
    var refused: [Graph] = []
    return try cases.filter { one in
      let name = one.graph.name
      // A kernel is refused once, not for each number of rows.
      if refused.contains(one.graph) { return false }
      Terminal.progress("compiling \(name)")
      let kernel = try refusals.result(of: name, isOnly: isOnly) {
        try compiler.compile(one.graph)
      }
      guard let kernel else {
        refused.append(one.graph)
        return false
      }
      try BenchCommand.admit(kernel, rows: one.rows)
      return true
    }
  }

  private func cases() throws -> [BenchmarkCase] {
    let groups = group.isEmpty ? BenchmarkGroup.allCases : group
    if kernels.isEmpty {
      return try BenchmarkGroup.allCases.filter(groups.contains).flatMap { group in
        try BenchmarkSuite.cases(of: group)
      }
    }
    let graphs = try kernels.flatMap { try SelectedKernel.named($0) }.map(\.graph)
    let chosen = graphs.filter { groups.contains(.of($0)) }
    guard !chosen.isEmpty else {
      throw CommandError.noKernelOfGroup(
        groups: groups.map(\.rawValue),
        kernels: graphs.map { "\($0.name) (\(BenchmarkGroup.of($0).rawValue))" })
    }
    return chosen.flatMap { graph in
      (rows.isEmpty ? [1, 32, 512, 4096] : rows).map { BenchmarkCase(graph, rows: $0) }
    }
  }

  private static func admit(_ kernel: CompiledKernel, rows: Int) throws {
    var bytes = 0
    for parameter in kernel.parameters {
      let elements = parameter.shape.elementsPerRow
      let (count, overflow) = elements.multipliedReportingOverflow(
        by: parameter.shape.hasRows ? rows : 1)
      guard !overflow, count < Int.max >> 8 else {
        throw CommandError.memory(action: "timing", kernel: kernel.name, rows: rows)
      }
      bytes += count * parameter.storage.byteCount
    }
    guard bytes < Int(ProcessInfo.processInfo.physicalMemory / 4) else {
      throw CommandError.memory(action: "timing", kernel: kernel.name, rows: rows)
    }
  }

  private func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("normgen-bench-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: directory) }
    return try body(directory.path)
  }
}
