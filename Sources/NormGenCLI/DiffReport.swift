internal import ArgumentParser
internal import Foundation
internal import NormGen
internal import NormGenCheck

/// The comparison of two kernels as it is printed, in text and as JSON.
struct DiffReport: Encodable {
  /// An element that differs.
  struct Element: Encodable {
    let position: Int
    let indices: [Int]
    /// What its row holds, if it holds special values.
    let row: String?
    let a: Double
    let b: Double
    let ulps: Double
    let distance: Double
  }

  /// A kernel's values by a bound.
  struct Judgement: Encodable {
    /// The worst error as a part of its bound; nil without elements.
    let worstRatio: Double?
    let failures: Int
    let unbounded: Int
    /// Elements whose bits are not those of the kernel's own graph; 0 by the other's bound.
    let wrongBits: Int
  }

  /// One output of one call.
  struct Line: Encodable {
    let rows: Int
    let isAdversarial: Bool
    let output: String
    let elements: Int
    let differing: Int
    let greatestUlps: Double
    let greatestDistance: Double
    let first: Element?
    let worst: Element?
    let a: Judgement
    let b: Judgement
    let bByBoundOfA: Judgement
    let aByBoundOfB: Judgement
  }

  let a: String
  let b: String
  let seed: UInt64?
  let lines: [Line]
  let sameGraph: Bool
  let sameBits: Bool
  /// Whether both sides have the bits that their graphs fix.
  let exactBits: Bool
  let withinBoundOfA: Bool
  /// The outputs that no call says anything of.
  let unjudged: [String]
  let passes: Bool
  /// The first line of the text forms that differs.
  private let graphDifference: [String]

  init(
    _ comparison: KernelComparison, _ calls: [CallInputs.Call], _ kernels: [ComparedKernel],
    names: [String], seed: UInt64?, acceptsBound: Bool
  ) {
    a = names[0]
    b = names[1]
    self.seed = seed
    sameGraph = comparison.haveSameGraph
    sameBits = comparison.haveSameBits
    withinBoundOfA = comparison.liesWithinFirstBound
    exactBits = comparison.haveExactBits
    unjudged = comparison.unjudged
    passes = acceptsBound ? withinBoundOfA : sameBits && exactBits
    lines = zip(calls, comparison.calls).flatMap { call, compared in
      compared.outputs.map { Line($0, rows: compared.rows, call.special) }
    }
    graphDifference = sameGraph ? [] : DiffReport.firstDifference(kernels.map(\.graph))
  }

  private enum CodingKeys: CodingKey {
    case a, b, seed, lines, sameGraph, sameBits, exactBits, withinBoundOfA, unjudged, passes
  }

  /// The statements of two graphs that first differ.
  private static func firstDifference(_ graphs: [Graph]) -> [String] {
    let texts = graphs.map { graph in
      graph.description.replacing("kernel \(graph.name)(", with: "kernel (")
        .split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    for line in 0..<max(texts[0].count, texts[1].count) {
      let pair = texts.map { line < $0.count ? $0[line] : "}" }
      if pair[0] != pair[1] { return pair }
    }
    return []
  }

  /// The report as a table and its verdict.
  var text: String {
    var text = "A: \(a)\nB: \(b)\n"
    text += sameGraph ? "the graphs are the same\n" : "the graphs differ\n"
    for (side, line) in zip(["A", "B"], graphDifference) { text += "  \(side): \(line)\n" }
    text += table
    for line in lines { text += line.text }
    let differing = lines.reduce(0) { $0 + $1.differing }
    let elements = lines.reduce(0) { $0 + $1.elements }
    if sameBits {
      text += "the same bits: \(elements) elements\n"
    } else {
      text += "the bits differ: \(differing) of \(elements) elements, "
      text += withinBoundOfA ? "all within A's bound\n" : "not all within A's bound\n"
    }
    for (side, wrong) in [("A", lines.map(\.a.wrongBits)), ("B", lines.map(\.b.wrongBits))] {
      let count = wrong.reduce(0, +)
      if count > 0 { text += "\(side) has wrong bits in \(count) elements, by its own graph\n" }
    }
    if !unjudged.isEmpty {
      text += ExitCode.notJudgedText(unjudged) + "\n"
    }
    return text
  }

  private var table: String {
    let header =
      ["rows", "output", "elements", "differ", "ulps", "difference", "A / bound", "B / bound"]
      // One graph, one bound.
      + (sameGraph ? [] : ["B / A's bound", "A / B's bound"])
    return TextTable(
      header: header,
      alignments: [
        .right, .left, .right, .right, .right, .right, .right, .right, .right, .right,
      ],
      lines.map { line in
        [
          line.isAdversarial ? "special" : "\(line.rows)", line.output, "\(line.elements)",
          "\(line.differing)", CheckReport.short(line.greatestUlps, digits: 4),
          CheckReport.short(line.greatestDistance), line.a.text, line.b.text,
        ] + (sameGraph ? [] : [line.bByBoundOfA.text, line.aByBoundOfB.text])
      }
    ).text
  }
}

extension DiffReport.Line {
  fileprivate init(_ output: KernelComparison.Output, rows: Int, _ special: SpecialRows?) {
    let difference = output.difference
    func element(_ element: OutputDifference.Element?) -> DiffReport.Element? {
      element.map { element in
        DiffReport.Element(
          position: element.position, indices: element.indices,
          row: special?.name(of: element.position, among: difference.count),
          a: element.values[0], b: element.values[1], ulps: element.ulps,
          distance: element.distance)
      }
    }
    self.rows = rows
    isAdversarial = special != nil
    self.output = difference.output
    elements = difference.count
    differing = difference.differing
    greatestUlps = difference.worst?.ulps ?? 0
    greatestDistance = difference.greatestDistance
    first = element(difference.first)
    worst = element(difference.worst)
    a = DiffReport.Judgement(output.first.bound, output.first.exact)
    b = DiffReport.Judgement(output.second.bound, output.second.exact)
    bByBoundOfA = DiffReport.Judgement(output.secondByFirst)
    aByBoundOfB = DiffReport.Judgement(output.firstBySecond)
  }

  /// Where the values differ; nothing if they do not.
  fileprivate var text: String {
    guard let first, let worst else { return "" }
    let call = isAdversarial ? "special rows" : "rows \(rows)"
    var text = "\(call), output '\(output)': first at \(first.text)"
    if worst.position != first.position { text += "; worst at \(worst.text)" }
    return text + "\n"
  }
}

extension DiffReport.Element {
  /// Such as `[3, 5]: A 0.5, B 0.25`.
  fileprivate var text: String {
    "\(indices)\(row.map { " in the row of \($0)" } ?? ""): A \(a), B \(b)"
  }
}

extension DiffReport.Judgement {
  fileprivate init(_ agreement: Agreement, _ exact: ExactAgreement? = nil) {
    wrongBits = exact?.differing ?? 0
    worstRatio = agreement.worst?.ratio
    failures = agreement.failures
    unbounded = agreement.vacuous
  }

  fileprivate var text: String {
    CheckReport.short(worstRatio, digits: 3) + (failures > 0 ? " (\(failures) beyond)" : "")
  }
}
