public import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCLI
internal import NormGenMeasure

/// The command `models`, which compiles, checks and times the sites of real models.
public struct ModelsCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "Check and time the norms and matmuls of real models at their full size.",
    discussion: """
      Weights are random and seeded, with the models' shapes, types and roundings. A site is one \
      kernel; its first rows are compared with the oracle, every element by its derived bound, and \
      longer calls must repeat their bits. The kernel is timed in turns with the same graph as \
      separate kernels, one for each matmul and one for what stands between matmuls; these must \
      give the same bits, too.
      """)

  @Option(
    help: ArgumentHelp(
      "One model: \(Models.names.joined(separator: ", ")).", valueName: "name"))
  var model: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Numbers of rows to time, by default those of each site.", valueName: "n"))
  var rows: [Int] = []

  @Option(
    help: ArgumentHelp(
      "fused for the exact order, bf16_dot for the hardware's dot product where the site is bf16.",
      valueName: "accumulation"))
  var accumulate = Matmul.Accumulation.fused.rawValue

  @Option(help: ArgumentHelp("Rows that the oracle evaluates.", valueName: "n"))
  var checkRows = 1

  @Option(help: ArgumentHelp("The most threads that share a timed call.", valueName: "n"))
  var threads = 1

  @Option(help: ArgumentHelp("Rounds of each measurement, fewer for long ones.", valueName: "n"))
  var rounds = 7

  @Flag(help: "Check and do not time.")
  var checkOnly = false

  @Flag(help: "Time and do not check.")
  var timeOnly = false

  @OptionGroup var target: TargetSelection

  @Option(help: "The seed of weights and inputs.")
  var seed: UInt64 = 1

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Print Markdown.")
  var markdown = false

  public init() {}

  /// More rows take gigabytes at the models' sizes.
  private static let mostRows = 4096

  public func validate() throws {
    if json && markdown { throw ValidationError("choose one of --json and --markdown") }
    if checkOnly && timeOnly { throw ValidationError("choose one of --check-only and --time-only") }
    if checkOnly && !rows.isEmpty {
      throw ValidationError("--rows: the rows to time; --check-rows chooses those to check")
    }
    guard (1...256).contains(threads) else {
      throw ValidationError("--threads: expected a number from 1 to 256, found \(threads)")
    }
    guard rounds >= 3 else {
      throw ValidationError("--rounds: expected at least 3, found \(rounds)")
    }
    guard (1...64).contains(checkRows) else {
      throw ValidationError("--check-rows: expected a number from 1 to 64, found \(checkRows)")
    }
    if let row = rows.first(where: { !(1...ModelsCommand.mostRows).contains($0) }) {
      throw ValidationError(
        "--rows: expected numbers from 1 to \(ModelsCommand.mostRows), found \(row)")
    }
    let choices: [Matmul.Accumulation] = [.fused, .bf16Dot]
    guard choices.contains(where: { $0.rawValue == accumulate }) else {
      let known = choices.map(\.rawValue).joined(separator: " or ")
      throw ValidationError("--accumulate: expected \(known), found '\(accumulate)'")
    }
  }

  public func run() throws {
    let compiler = try target.compiler()
    let sites = try sites()
    var results: [SiteResult] = []
    for (index, site) in sites.enumerated() {
      let place = "\(index + 1)/\(sites.count) \(site.model): \(site.site)"
      Terminal.progress(place)
      let rows = checkOnly ? [] : (rows.isEmpty ? site.rows : rows)
      let run = try SiteRun(
        try site.kernel.graph(), rows: max(rows.max() ?? 1, checkRows), seed: seed,
        compiler: compiler)
      var check: SiteCheck?
      if !timeOnly {
        Terminal.progress("\(place), oracle")
        check = try SiteCheck(run, rows: checkRows)
      }
      var timings: [SiteTiming] = []
      for count in rows {
        Terminal.progress("\(place), \(count) rows")
        timings.append(try SiteTiming(run, rows: count, threads: threads, rounds: rounds))
      }
      results.append(SiteResult(site, run, check, timings))
    }
    Terminal.endProgress()
    let report = ModelsReport(
      target: compiler.target.name, threads: threads, seed: seed,
      checkedRows: timeOnly ? nil : checkRows,
      sites: results)
    if json {
      try Terminal.print(try JSONText.of(report))
    } else {
      try Terminal.print(markdown ? report.markdown : report.text)
    }
    if results.contains(where: { !$0.passes }) { throw ExitCode.failure }
  }

  private func sites() throws -> [ModelSite] {
    let sites = Models.sites(accumulate: Matmul.Accumulation(rawValue: accumulate) ?? .fused)
    guard let model else { return sites }
    let chosen = sites.filter { $0.model.lowercased() == model.lowercased() }
    guard !chosen.isEmpty else { throw CommandError.unknownModel(model, known: Models.names) }
    return chosen
  }
}
