internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenMeasure

/// Times kernels beside a plain copy of the same bytes.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time kernels beside memcpy of the same bytes, in the same run.",
    discussion: """
      Kernel and memcpy are timed in turns, in one thread, on warm memory; a copy moves as many \
      bytes as the kernel must (each input and each output once). The ratio is the median over the \
      rounds, with its quartiles. Without a kernel the suite of the documentation is timed: \
      RMSNorm, LayerNorm, partial RMSNorm and residual + RMSNorm in f32 and bf16.
      """)

  @Argument(
    help: ArgumentHelp("Kernels' names, or text files.", valueName: "KERNEL|FILE.ng"))
  var kernels: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Numbers of rows of a call; for named kernels.", valueName: "n"))
  var rows: [Int] = []

  @Option(help: ArgumentHelp("Rounds of each measurement.", valueName: "n"))
  var rounds = 15

  @OptionGroup var target: TargetSelection

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Print Markdown.")
  var markdown = false

  func validate() throws {
    if json && markdown { throw ValidationError("choose one of --json and --markdown") }
    guard rounds >= 3 else {
      throw ValidationError("--rounds: expected at least 3, found \(rounds)")
    }
    guard rows.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--rows: expected numbers above 0, found \(rows)")
    }
    if kernels.isEmpty, !rows.isEmpty {
      throw ValidationError("--rows: the suite has rows of its own; name kernels to choose others")
    }
  }

  func run() throws {
    let compiler = try target.compiler()
    let cases = try cases()
    let first = cases[0]
    let compileTime = try withTemporaryDirectory { directory in
      try CompileTime(first.graph, compiler: compiler, cacheDirectory: directory)
    }
    let overhead = try CallOverhead(try compiler.compile(first.graph))
    var results: [KernelBenchmark] = []
    for (index, one) in cases.enumerated() {
      Terminal.progress("\(index + 1)/\(cases.count) \(one.graph.name), \(one.rows) rows")
      let compiled = try compiler.compile(one.graph)
      try BenchCommand.admit(compiled, rows: one.rows)
      results.append(try KernelBenchmark(compiled, rows: one.rows, rounds: rounds))
    }
    Terminal.endProgress()
    let report = BenchReport(kernels: results, calls: overhead, compiling: compileTime)
    if json {
      try Terminal.print(try JSONText.of(report))
    } else {
      try Terminal.print(markdown ? report.markdown : report.text)
    }
  }

  private func cases() throws -> [BenchmarkCase] {
    if kernels.isEmpty { return try BenchmarkSuite.norms() }
    return try kernels.flatMap { try SelectedKernel.named($0) }.flatMap { kernel in
      (rows.isEmpty ? [1, 32, 512, 4096] : rows).map { BenchmarkCase(kernel.graph, rows: $0) }
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

/// What `bench` prints.
struct BenchReport: Encodable {
  let kernels: [KernelBenchmark]
  let calls: CallOverhead
  let compiling: CompileTime

  private static let header = [
    "kernel", "rows", "level", "time", "GB/s", "memcpy", "speed of memcpy", "quartiles",
  ]

  private var rows: [[String]] {
    kernels.map { one in
      [
        one.kernel, "\(one.rows)", one.level.rawValue, Quantity.time(one.seconds),
        Quantity.decimal(one.bandwidth / 1e9, 1), Quantity.time(one.copySeconds),
        Quantity.decimal(one.speedOfCopy.median, 2),
        Quantity.decimal(one.speedOfCopy.lowerQuartile, 2) + "–"
          + Quantity.decimal(one.speedOfCopy.upperQuartile, 2),
      ]
    }
  }

  private var notes: [String] {
    [
      "target \(kernels.first?.target ?? ""), one thread; caches "
        + zip(["L1", "L2", "L3"], MemoryLevel.sizes)
        .map { "\($0) \(Quantity.bytes($1))" }.joined(separator: ", "),
      "a call without rows: \(Quantity.time(calls.boundSeconds)) bound, "
        + "\(Quantity.time(calls.checkedSeconds)) checked",
      "source to callable code: \(Quantity.time(compiling.firstSeconds)) at first, "
        + "\(Quantity.time(compiling.coldSeconds)) later, "
        + "\(Quantity.time(compiling.cachedSeconds)) from the disk cache",
    ]
  }

  var text: String {
    let table = TextTable(
      header: BenchReport.header,
      alignments: [.left] + [.right, .left] + [TextTable.Alignment](repeating: .right, count: 5),
      rows)
    return table.text + "\n" + notes.joined(separator: "\n") + "\n"
  }

  var markdown: String {
    let lines =
      [BenchReport.header, ["---", "--:", "---"] + [String](repeating: "--:", count: 5)] + rows
    return lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n") + "\n\n"
      + notes.map { "- " + $0 }.joined(separator: "\n") + "\n"
  }
}

/// Measured quantities in words.
enum Quantity {
  /// A number with a fixed number of decimals.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// A time with three digits and a unit.
  static func time(_ seconds: Double) -> String {
    for (factor, unit) in [(1e9, "ns"), (1e6, "µs"), (1e3, "ms")] {
      let value = seconds * factor
      if value < 999.5 {
        return decimal(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + " " + unit
      }
    }
    return decimal(seconds, 2) + " s"
  }

  /// A number of bytes in powers of 1024.
  static func bytes(_ count: Int) -> String {
    if count >= 1 << 20, count % (1 << 20) == 0 { return "\(count >> 20) MiB" }
    return count >= 1 << 10 ? "\(count >> 10) KiB" : "\(count) B"
  }
}
