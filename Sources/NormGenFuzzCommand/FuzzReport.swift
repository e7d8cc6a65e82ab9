internal import Foundation
internal import NormGen
internal import NormGenCLI
internal import NormGenFuzz

/// The result of a fuzzing run as it is printed, in text and as JSON.
struct FuzzReport: Encodable {
  /// A kernel that failed, and where the small one lies.
  struct Finding: Encodable {
    let seed: UInt64
    let kind: String
    let message: String
    /// The text file; nil if the seed gives no kernel.
    let file: String?
    /// The commands that show the failure again.
    let commands: [String]
  }

  var totals: FuzzTotals
  var findings: [Finding] = []
  var seconds = 0.0
  let targets: [String]
  let threads: Int

  init(_ run: FuzzRun) {
    totals = run.totals
    targets = run.judge.targets.map(\.name)
    threads = run.judge.threads
  }

  private enum Key: String, CodingKey {
    case seed, nextSeed, graphs, passed, refused, failed, unjudged, calls, elements, special, exact,
      unbounded
    case features, medianRatio, worstRatio, worstSeed, seconds, targets, threads, failures
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    let figures = totals.figures
    try container.encode(totals.seed, forKey: .seed)
    try container.encode(totals.nextSeed, forKey: .nextSeed)
    try container.encode(totals.graphs, forKey: .graphs)
    try container.encode(totals.passed, forKey: .passed)
    try container.encode(totals.refused, forKey: .refused)
    try container.encode(totals.failed, forKey: .failed)
    try container.encode(totals.unjudged, forKey: .unjudged)
    try container.encode(figures.calls, forKey: .calls)
    try container.encode(figures.elements, forKey: .elements)
    try container.encode(figures.special, forKey: .special)
    try container.encode(figures.exact, forKey: .exact)
    try container.encode(figures.unbounded, forKey: .unbounded)
    try container.encode(figures.features, forKey: .features)
    try container.encode(figures.medianRatio, forKey: .medianRatio)
    try container.encode(figures.worstRatio, forKey: .worstRatio)
    try container.encode(figures.worstSeed, forKey: .worstSeed)
    try container.encode(seconds, forKey: .seconds)
    try container.encode(targets, forKey: .targets)
    try container.encode(threads, forKey: .threads)
    try container.encode(findings, forKey: .failures)
  }

  /// The report in words.
  var text: String {
    let figures = totals.figures
    var text = ""
    for finding in findings { text += finding.text }
    text += "kernels \(totals.graphs), passed \(totals.passed), "
    text += "refused \(totals.refused.values.reduce(0, +)), failed \(totals.failed.count), "
    text += "not judged \(totals.unjudged.count), "
    text += String(format: "%.1f s\n", seconds)
    let others = totals.failed.filter { seed in !findings.contains { $0.seed == seed } }
    if !others.isEmpty {
      text += "failed, not made smaller in this run: seeds "
      text += others.map(String.init).joined(separator: ", ") + "\n"
    }
    text += "targets \(targets.joined(separator: ", ")), 1 and \(threads) threads\n"
    text += "calls \(figures.calls), elements \(figures.elements), exact \(figures.exact), "
    text += "without bound \(figures.unbounded), of special rows \(figures.special)\n"
    if let median = figures.medianRatio {
      text += String(format: "error / bound: median %.4f, worst %.3f", median, figures.worstRatio)
      text += figures.worstSeed.map { " (seed \($0))\n" } ?? "\n"
    }
    for (reason, count) in totals.refused.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      text += "refused \(count): \(reason)\n"
    }
    let counts = figures.features.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    if !counts.isEmpty { text += "kernels with \(counts.joined(separator: ", "))\n" }
    if !totals.unjudged.isEmpty {
      text += "not judged, since an output is NaN or has no bound in every call: seeds "
      text += totals.unjudged.map(String.init).joined(separator: ", ") + "\n"
    }
    if !totals.failed.isEmpty { return text + "FAIL\n" }
    return text + (totals.unjudged.isEmpty ? "pass\n" : "pass, but for what was not judged\n")
  }
}

extension FuzzReport.Finding {
  /// Writes the small kernel of a finding to a file, which must not be that of the run's state.
  init(_ finding: FuzzFinding, directory: String, notReplacing state: String?) throws {
    seed = finding.seed
    kind = finding.failure.kind.rawValue
    message = finding.failure.description
    let tool = Registry.current.plainCommandName
    let again = "\(tool) fuzz --seed \(finding.seed) --count 1"
    guard let smallest = finding.smallest else {
      file = nil
      commands = [again]
      return
    }
    let name = "fuzz_\(finding.seed).ng"
    let check = "check FILE \(Self.options(smallest, finding.smallestFailure))"
    let comment = """
      // Seed \(finding.seed): \(Self.line(finding.smallestFailure.description))
      // \(again)
      // \(tool) \(check.replacing("FILE", with: name))
      \(Self.schedules(smallest))\(Self.optimizations(smallest))
      """
    let text = comment + "\(smallest.graph)\n"
    let path = try FileWriter.write(
      [EmittedFile(path: name, text: text)], to: directory, notReplacing: state.map { [$0] } ?? [])[
        0]
    file = path
    commands = [again, "\(tool) \(check.replacing("FILE", with: CommandText.quoted(path)))"]
  }

  /// The options of `check` that repeat a failure.
  private static func options(_ smallest: FuzzCase, _ failure: FuzzFailure) -> String {
    let calls = failure.call.map { [$0] } ?? smallest.calls
    var options = "--seed \(smallest.seed)"
    let rows = calls.filter { $0.firstSpecial == nil }.map { String($0.rows) }
    if !rows.isEmpty { options += " --rows " + rows.joined(separator: " ") }
    if rows.count < calls.count { options += " --adversarial" }
    if !failure.targets.isEmpty {
      options += " --target " + failure.targets.map(\.name).joined(separator: " ")
    }
    if failure.kind == .threads { options += " --threads 3" }
    return options
  }

  /// What the failure needs besides the kernel, as comments.
  private static func schedules(_ smallest: FuzzCase) -> String {
    guard smallest.schedules.contains(where: { $0 != nil }) else { return "" }
    let lines = smallest.schedules.enumerated().map { position, schedule in
      "// schedule of target \(position): \(schedule.map { "\($0)" } ?? "the compiler's")\n"
    }
    return "// It shows with schedules of its own only, which the first command takes:\n"
      + lines.joined()
  }

  private static func optimizations(_ smallest: FuzzCase) -> String {
    guard smallest.optimizations.contains(where: { $0 != .full }) else { return "" }
    let options = smallest.optimizations.map { $0.arguments.joined(separator: " ") }
    return "// It shows only when the targets are compiled with \(options.joined(separator: ", ")) "
      + "in turn, as the first command does.\n"
  }

  private static func line(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
  }

  fileprivate var text: String {
    var text = "seed \(seed) fails, \(message)\n"
    if let file { text += "  smallest kernel: \(file)\n" }
    for command in commands { text += "  \(command)\n" }
    return text
  }
}
