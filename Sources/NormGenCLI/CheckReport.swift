internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck

/// The result of a check as it is printed, in text and as JSON.
struct CheckReport: Encodable {
  /// One output of one call on one target.
  struct Line: Encodable {
    let target: String
    let machine: String
    let rows: Int
    /// Whether the rows hold special values.
    let isAdversarial: Bool
    let output: String
    let elements: Int
    /// Elements that were compared with the exact interpreter's bits; all but of large products.
    let judgedExactly: Int
    /// Elements whose bits are wrong.
    let wrongBits: Int
    /// Elements that were judged by a finite bound, and are no NaN.
    let judgedByBound: Int
    /// Elements that are the oracle's value exactly.
    let exact: Int
    /// Elements that the bound says nothing about, because a result may or may not overflow.
    let unbounded: Int
    let failures: Int
    /// The greatest distance in units in the last place of the output's type at the oracle's value.
    let ulps: Double
    let medianUlps: Double
    /// What 99 % of the elements do not exceed.
    let ulps99: Double
    /// Elements that are the value nearest to the oracle's.
    let correctlyRounded: Int
    let medianRatio: Double
    let worst: Worst?
    /// The first element whose bits are wrong.
    let wrong: Wrong?
    let passes: Bool
  }

  /// An element whose bits are wrong.
  struct Wrong: Encodable {
    let position: Int
    let indices: [Int]
    /// What the row holds that it belongs to, if it holds special values.
    let row: String?
    let kernel: Double
    /// What the exact interpreter says.
    let exact: Double
  }

  /// The element that came closest to its bound, or went furthest beyond it.
  struct Worst: Encodable {
    let position: Int
    let indices: [Int]
    /// What the row holds that it belongs to, if it holds special values.
    let row: String?
    let kernel: Double
    let oracle: Double
    let error: Double
    let bound: Double
    let ratio: Double
  }

  let kernel: String
  /// The seed of the inputs; nil for those from files.
  let seed: UInt64?
  /// Why the kernel was not checked; nil if it was.
  let refusal: String?
  let lines: [Line]
  let targets: [String]
  /// The numbers of threads that were compared with one thread.
  let threads: [Int]
  /// The targets on which they were.
  let threadedTargets: [String]
  let variations: [Varied]
  let differences: [String]
  /// Where bits are wrong: whether the lowered loops are wrong, too, or the C is.
  let causes: [String]
  /// The worst element of all lines and what led to it.
  let worst: WorstReport?
  /// The outputs that no call says anything of: nothing but NaN, or without a bound.
  let unjudged: [String]
  let passes: Bool

  /// What came of a variation on a target.
  struct Varied: Encodable {
    let variation: String
    let target: String
    let executions: Int
    let violations: [String]
    /// Why nothing was compared.
    let omitted: String?
  }

  init(
    _ graph: Graph, _ comparison: TargetComparison, seed: UInt64?, special: SpecialRows? = nil
  ) {
    self.kernel = graph.name
    self.seed = seed
    self.refusal = nil
    self.passes = comparison.passes
    self.targets = comparison.results.map(\.target.name)
    let threaded = comparison.results.filter { !$0.threads.isEmpty }
    self.threads = threaded.first?.threads ?? []
    self.threadedTargets = threaded.map(\.target.name)
    self.variations = comparison.variations.map { result in
      Varied(
        variation: result.variation.rawValue, target: result.target,
        executions: result.executions, violations: result.violations,
        omitted: result.omission?.description)
    }
    self.worst = WorstReport(comparison, special)
    self.differences = comparison.differences.map(\.description)
    self.unjudged = comparison.unjudged
    self.causes = comparison.results.compactMap { result in
      switch result.loops {
      case nil, .tooLarge: nil
      case .right:
        "\(result.target): the lowered loops have the exact bits: the mistake is in the C, or in what "
          + "compiled it"
      case .wrong(let message): "\(result.target): the lowered loops are wrong, too: \(message)"
      }
    }
    self.lines = comparison.results.flatMap { result in
      result.checks.enumerated().flatMap { index, check in
        // The special call is the last one.
        let special = index == result.checks.count - 1 ? special : nil
        return check.outputs.map { output in
          Line(output, rows: check.rows, graph, result, special)
        }
      }
    }
  }

  /// The report of a kernel that was not checked.
  init(_ refusal: KernelRefusal, seed: UInt64?) {
    self.kernel = refusal.kernel
    self.seed = seed
    self.refusal = refusal.reason
    (lines, targets, threads, threadedTargets) = ([], [], [], [])
    (variations, differences, causes, worst, unjudged) = ([], [], [], nil, [])
    passes = false
  }

  /// The report as a table and its verdict.
  var text: String {
    if let refusal { return "\(kernel)\nrefused: \(refusal)\nFAIL\n" }
    let header = [
      "target", "rows", "output", "elements", "exact", "bounded", "worst error", "bound", "ratio",
      "median", "ulps", "99 %", "50 %", "nearest", "verdict",
    ]
    let rows = lines.map { line in
      [
        line.target, line.isAdversarial ? "special" : "\(line.rows)", line.output,
        "\(line.elements)", "\(line.judgedExactly)", "\(line.judgedByBound)",
        CheckReport.short(line.worst?.error), CheckReport.short(line.worst?.bound),
        CheckReport.short(line.worst?.ratio, digits: 3),
        CheckReport.short(line.medianRatio, digits: 3), CheckReport.short(line.ulps),
        CheckReport.short(line.ulps99), CheckReport.short(line.medianUlps),
        line.nearestShare, line.verdict,
      ]
    }
    let table = TextTable(
      header: header,
      alignments: [
        .left, .right, .left, .right, .right, .right, .right, .right, .right, .right, .right,
        .right, .right, .right, .left,
      ], rows)
    var text = "\(kernel)\n" + table.text
    text += worst?.text ?? ""
    text += failures
    if targets.count > 1, differences.isEmpty {
      text += "\(targets.joined(separator: ", ")): the same bits\n"
    }
    if !threads.isEmpty, differences.isEmpty {
      let counts = threads.map(String.init).joined(separator: ", ")
      text += "\(threadedTargets.joined(separator: ", ")): the same bits in \(counts) threads\n"
    }
    text += variationText
    for machine in emulated { text += machine + "\n" }
    let (elements, judged) = lines.reduce((0, 0)) { ($0.0 + $1.elements, $0.1 + $1.judgedExactly) }
    if judged < elements {
      text +=
        "judged: \(judged) of \(elements) elements, as products are large: all rows, drawn columns\n"
    }
    return text + verdict
  }

  /// Whether the kernel was judged, and how.
  private var verdict: String {
    if !passes { return "FAIL\n" }
    return unjudged.isEmpty ? "pass\n" : ExitCode.notJudgedText(unjudged) + "\n"
  }

  /// The report in one line, and what failed.
  var summary: String {
    if let refusal { return "refused \(kernel): \(refusal)\n" }
    let elements = lines.reduce(0) { $0 + $1.elements }
    let ratio = lines.compactMap(\.worst?.ratio).max()
    let unbounded = lines.reduce(0) { $0 + $1.unbounded }
    let word = !passes ? "FAIL" : unjudged.isEmpty ? "pass" : "NOT JUDGED"
    var text = "\(word) \(kernel): \(elements) elements, worst error / bound "
    text += CheckReport.short(ratio, digits: 3)
    text += unbounded == 0 ? "\n" : ", \(unbounded) without bound\n"
    if !lines.allSatisfy(\.passes) { text += worst?.text ?? "" }
    return text + failures
  }

  /// What failed, a line for each.
  private var failures: String {
    var text = lines.filter { !$0.passes }.map(\.failureText).joined()
    for difference in differences { text += difference + "\n" }
    for violation in variations.flatMap(\.violations) { text += violation + "\n" }
    for cause in causes { text += cause + "\n" }
    return text
  }

  /// The variations that gave the same bits, and those that do not exist for the kernel.
  private var variationText: String {
    variations.map { varied in
      if let omitted = varied.omitted {
        return "\(varied.target): no \(varied.variation) compared: \(omitted)\n"
      }
      guard varied.violations.isEmpty, differences.isEmpty else { return "" }
      return "\(varied.target): the same bits in \(varied.executions) calls of other "
        + "\(varied.variation == "batch" ? "batches" : varied.variation)\n"
    }.joined()
  }

  private var emulated: [String] {
    var seen: Set<String> = []
    return lines.filter { $0.machine != "native" && seen.insert($0.target).inserted }
      .map { line in
        "\(line.target) was emulated by \(line.machine)"
          + (threads.isEmpty ? "" : ", in one thread")
      }
  }

  /// A number with a few digits; nothing for a value that does not exist.
  static func short(_ value: Double?, digits: Int = 2) -> String {
    guard let value else { return "-" }
    if value == 0 { return "0" }
    return String(format: "%.\(digits)g", value)
  }
}

extension CheckReport.Line {
  fileprivate init(
    _ output: KernelCheck.Output, rows: Int, _ graph: Graph,
    _ result: TargetComparison.TargetResult,
    _ special: SpecialRows?
  ) {
    let agreement = output.agreement
    target = result.target.name
    switch result.machine {
    case .native: machine = "native"
    case .emulated(let name): machine = name
    }
    self.rows = rows
    isAdversarial = special != nil
    self.output = output.name
    elements = output.judgement.elements
    judgedExactly = output.judgement.exact.count
    wrongBits = output.judgement.exact.differing
    judgedByBound = output.judgement.telling
    exact = agreement.exact
    unbounded = agreement.vacuous
    failures = agreement.failures
    ulps = agreement.greatestUlps
    medianUlps = agreement.ulps(ofShare: 0.5)
    ulps99 = agreement.ulps(ofShare: 0.99)
    correctlyRounded = agreement.correctlyRounded
    let shape = graph.outputs.first { $0.name == output.name }.map { graph[$0.value].shape }
    medianRatio = agreement.medianRatio
    worst = agreement.worst.map { worst in
      CheckReport.Worst(
        position: worst.position, indices: shape?.indices(of: worst.position) ?? [],
        row: special?.name(of: worst.position, among: output.judgement.elements),
        kernel: worst.kernel, oracle: worst.oracle, error: worst.error,
        bound: worst.bound, ratio: worst.ratio)
    }
    wrong = output.judgement.exact.first.map { wrong in
      CheckReport.Wrong(
        position: wrong.position, indices: shape?.indices(of: wrong.position) ?? [],
        row: special?.name(of: wrong.position, among: output.judgement.elements),
        kernel: wrong.kernel, exact: wrong.exact)
    }
    passes = output.judgement.passes
  }

  /// The part of the elements that are the nearest value.
  fileprivate var nearestShare: String {
    guard elements > 0 else { return "-" }
    return String(format: "%.1f %%", Double(correctlyRounded) / Double(elements) * 100)
  }

  fileprivate var verdict: String {
    if failures > 0 { return "\(failures) beyond the bound" }
    if wrongBits > 0 { return "\(wrongBits) wrong in bits" }
    return unbounded == 0 ? "ok" : "ok, \(unbounded) without bound"
  }

  fileprivate var failureText: String {
    let place = "\(target), rows \(isAdversarial ? "special" : "\(rows)"), output '\(output)': "
    func row(_ name: String?) -> String { name.map { " in the row of \($0)" } ?? "" }
    var text = ""
    if failures > 0, let worst {
      text +=
        "\(place)element \(worst.indices)\(row(worst.row)) is \(worst.kernel), the oracle "
        + "says \(worst.oracle) ± \(worst.bound)\n"
    }
    if let wrong {
      text +=
        "\(place)\(wrongBits) of \(judgedExactly) elements have wrong bits, first "
        + "\(wrong.indices)\(row(wrong.row)): \(wrong.kernel), exactly it is \(wrong.exact)\n"
    }
    return text
  }
}
