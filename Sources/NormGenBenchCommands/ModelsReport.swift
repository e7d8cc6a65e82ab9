internal import Foundation
internal import NormGen
internal import NormGenCLI
internal import NormGenMeasure

/// What was found about one site.
struct SiteResult: Encodable {
  let model: String
  let site: String
  let kernel: String
  /// The matmuls' extents, K before N.
  let products: [[Int]]
  /// The storage types of the parameters, and the accumulation if it is a licence.
  let types: [String]
  let check: SiteCheck?
  let timings: [SiteTiming]
  let passes: Bool

  init(_ site: ModelSite, _ run: SiteRun, _ check: SiteCheck?, _ timings: [SiteTiming]) {
    model = site.model
    self.site = site.site
    kernel = run.kernel.name
    let planned = run.kernel.lowering.program.products
    products = planned.map { [$0.depth, $0.columns] }
    var types: [String] = []
    let licences = planned.map(\.matmul.accumulation).filter { $0 != .fused }
    for type in run.kernel.parameters.map(\.storage.rawValue) + licences.map(\.rawValue)
    where !types.contains(type) {
      types.append(type)
    }
    self.types = types
    self.check = check
    self.timings = timings
    passes = (check?.passes ?? true) && timings.allSatisfy(\.agrees)
  }
}

/// What `models` prints.
struct ModelsReport: Encodable {
  let target: String
  /// The most threads that share a timed call.
  let threads: Int
  let seed: UInt64
  /// The rows that the oracle evaluated; nil if nothing was checked.
  let checkedRows: Int?
  let sites: [SiteResult]

  private static let header = [
    "model", "site", "K×N", "types", "rows", "verdict", "error/bound", "exact", "time", "quartiles",
    "unfused", "unfused/fused", "GFLOP/s", "GB/s",
  ]

  private static let alignments: [TextTable.Alignment] =
    [.left, .left, .left, .left, .right, .left] + [TextTable.Alignment](repeating: .right, count: 8)

  private var rows: [[String]] {
    sites.flatMap { site -> [[String]] in
      site.timings.isEmpty ? [site.cells(nil)] : site.timings.map { site.cells($0) }
    }
  }

  private var notes: [String] {
    let checked =
      checkedRows.map { count in
        "each site at full size: \(count) row\(count == 1 ? "" : "s") within the oracle's bound, "
          + "and the same bits in longer calls and from separate kernels"
      } ?? "not checked against the oracle"
    return [
      "target \(target), \(threads) thread\(threads == 1 ? "" : "s"); random weights and inputs of seed \(seed)",
      checked,
      "unfused: a kernel for each matmul and one for what stands between, timed in turns; GFLOP/s "
        + "counts the matmuls, GB/s each input, weight and output once",
    ]
  }

  var text: String {
    notes.joined(separator: "\n") + "\n"
      + TextTable(header: ModelsReport.header, alignments: ModelsReport.alignments, rows).text
  }

  var markdown: String {
    let marks = ModelsReport.alignments.map { alignment in
      switch alignment {
      case .left: "---"
      case .right: "--:"
      }
    }
    let lines = [ModelsReport.header, marks] + rows
    return notes.map { "- " + $0 }.joined(separator: "\n") + "\n\n"
      + lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n") + "\n"
  }
}

extension SiteResult {
  /// One line of the table.
  fileprivate func cells(_ timing: SiteTiming?) -> [String] {
    let ratio = check.map { String(format: "%.2g", $0.worstRatio) } ?? "-"
    let exact = check.map { check in
      Quantity.decimal(100 * Double(check.exact) / Double(max(check.elements, 1)), 1) + " %"
    }
    let start = [
      model, site, shapes, types.joined(separator: ", "),
      "\(timing?.rows ?? check?.rows ?? 0)", verdict(timing), ratio, exact ?? "-",
    ]
    guard let timing else { return start + [String](repeating: "-", count: 6) }
    return start + [
      Quantity.time(timing.seconds.median),
      Quantity.time(timing.seconds.lowerQuartile) + "–"
        + Quantity.time(timing.seconds.upperQuartile),
      timing.unfusedSeconds.map { Quantity.time($0.median) } ?? "-",
      timing.gain.map { Quantity.decimal($0.median, 2) } ?? "-",
      timing.matmulOperations > 0 ? Quantity.decimal(timing.operationsPerSecond / 1e9, 1) : "-",
      Quantity.decimal(timing.bandwidth / 1e9, 1),
    ]
  }

  /// The matmuls' extents; several with one K are written once.
  private var shapes: String {
    var groups: [(depth: Int, columns: [Int])] = []
    for product in products {
      if let last = groups.last, last.depth == product[0] {
        groups[groups.count - 1].columns.append(product[1])
      } else {
        groups.append((product[0], [product[1]]))
      }
    }
    let words = groups.map { "\($0.depth)×" + $0.columns.map(String.init).joined(separator: "+") }
    return words.isEmpty ? "-" : words.joined(separator: ", ")
  }

  private func verdict(_ timing: SiteTiming?) -> String {
    if let check, !check.unfusedAgrees { return "unfused bits differ" }
    if let check, check.failures > 0 { return "\(check.failures) beyond the bound" }
    if let check, check.wrongBits > 0 { return "\(check.wrongBits) wrong in bits" }
    if let check, !check.passes { return "other bits unfused" }
    if let timing, !timing.agrees { return "bits differ" }
    guard let check else { return "not checked" }
    return check.unbounded == 0 ? "ok" : "ok, \(check.unbounded) without bound"
  }
}
