import NormGen
import NormGenMeasure

/// Partial RMSNorm from 6.25 % to all of the row: time, and error of the estimated statistic.
public struct WindowSweep: PaperPart {
  public let name = "sweep"
  public let claim = "§6.1: pRMSNorm is never slower than RMSNorm; the partial statistic's error"

  /// The sweep.
  public init() {}

  static let fractions = [0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1]

  public func report(_ run: PaperRun) throws -> PaperReport {
    let timings = try timings(run)
    run.begins("\(name): estimates")
    let extent = run.isQuick ? 512 : 4096
    let normal = try WindowEstimate.of(
      try gaussianRows(run, extent: extent, rows: run.isQuick ? 64 : 4096),
      fractions: Self.fractions, rounding: .up, run.compiler)
    let real = try run.realRows.map { rows in
      try WindowEstimate.of(
        rows, fractions: Self.fractions, rounding: .up, run.compiler)
    }
    let tables = [
      timeTable(timings), layerTable(timings), estimateTable(normal, extent, real, run.realRows),
      try ruleTable(run),
    ]
    return PaperReport(
      part: name, title: "Partial RMSNorm: how much of the row", prose: prose(real != nil),
      tables: tables, verdicts: verdicts(timings, normal, extent),
      plots: [plot(timings, normal, extent, real)])
  }

  private func timings(_ run: PaperRun) throws -> [WindowTiming] {
    let shapes =
      run.isQuick
      ? [(1, 512), (8, 300)] : [(1, 4096), (32, 4096), (512, 4096), (4096, 768), (2048, 512)]
    return try [DType.f32, .bf16].flatMap { storage in
      try shapes.map { rows, extent in
        run.begins("\(name): \(rows)×\(extent) \(storage.rawValue)")
        return try WindowTiming(
          rows: rows, extent: extent, storage: storage, fractions: Self.fractions,
          rounds: run.isQuick ? 3 : 25, roundSeconds: run.isQuick ? 0.0005 : 0.004, run)
      }
    }
  }

  private func gaussianRows(_ run: PaperRun, extent: Int, rows: Int) throws -> HostTensor {
    var random = SeededGenerator(seed: run.seed)
    return try HostTensor(
      (0..<rows * extent).map { _ in Float(random.normal()) }, shape: [rows, extent])
  }

  private func prose(_ hasRealRows: Bool) -> [String] {
    [
      "One thread, warm memory that all kernels of a shape share, measured in turns; gain without "
        + "shift, LayerNorm with both. Times are medians, ratios medians over the rounds with "
        + "their quartiles. The paper (§6.1) left open whether a partial statistic costs time "
        + "where slicing is done in low-level code.",
      "Noise is RMSNorm measured a second time in the same rounds. pRMSNorm counts as slower if "
        + "the lower quartile of its ratio to RMSNorm lies above 1 and above the upper quartile "
        + "of RMSNorm's ratio to itself.",
      "The error of the statistic is |RMS_p/RMS − 1|, both by one kernel, over normally "
        + "distributed rows"
        + (hasRealRows ? " and over rows of a real model" : "")
        + ". For independent normal elements its mean is √(2/π)·√((1/k − 1/n)/2) to first order.",
    ]
  }

  private func timeTable(_ timings: [WindowTiming]) -> PaperReport.Table {
    PaperReport.Table(
      "pRMSNorm's time by RMSNorm's, for each p",
      columns: ["shape", "type", "RMSNorm µs", "RMSNorm again"]
        + Self.fractions.map(Figure.fraction),
      rows: timings.map { timing in
        [
          timing.shape, timing.storage.rawValue, microseconds(timing.rmsSeconds),
          spread(timing.noise),
        ] + timing.partials.map { spread($0.toRMS) + (timing.isSlower($0) ? " slower" : "") }
      })
  }

  private func layerTable(_ timings: [WindowTiming]) -> PaperReport.Table {
    PaperReport.Table(
      "Time by LayerNorm's",
      columns: ["shape", "type", "LayerNorm µs", "RMSNorm"] + Self.fractions.map(Figure.fraction),
      rows: timings.map { timing in
        [
          timing.shape, timing.storage.rawValue, microseconds(timing.layerSeconds),
          Figure.decimal(timing.rmsToLayer.median, 3),
        ] + timing.partials.map { Figure.decimal($0.toLayer.median, 3) }
      })
  }

  private func microseconds(_ spread: Spread) -> String { Figure.digits(spread.median * 1e6) }

  private func spread(_ spread: Spread) -> String {
    Figure.decimal(spread.median, 3) + " (" + Figure.decimal(spread.lowerQuartile, 3) + "–"
      + Figure.decimal(spread.upperQuartile, 3) + ")"
  }

  private func estimateTable(
    _ normal: [WindowEstimate], _ extent: Int, _ real: [WindowEstimate]?, _ rows: HostTensor?
  ) -> PaperReport.Table {
    let realColumns = rows.map { ["real rows n = \($0.shape.last ?? 0): mean", "worst"] } ?? []
    return PaperReport.Table(
      "Error of the partial statistic, ⌈n·p⌉ elements",
      columns: ["p", "normal rows n = \(extent): mean", "first order", "worst"] + realColumns,
      rows: normal.enumerated().map { index, estimate in
        [
          Figure.fraction(estimate.fraction), Figure.percent(estimate.meanError, 2),
          Figure.percent(
            WindowEstimate.normalError(count: estimate.count, extent: extent), 2),
          Figure.percent(estimate.worstError, 2),
        ]
          + (real.map { real in
            [
              Figure.percent(real[index].meanError, 2), Figure.percent(real[index].worstError, 2),
            ]
          } ?? [])
      })
  }

  /// The paper's ⌈n·p⌉ beside its code's ⌊n·p⌋, where they differ.
  private func ruleTable(_ run: PaperRun) throws -> PaperReport.Table {
    let cases: [(extent: Int, fraction: Double)] = [
      (36, 0.125), (300, 0.0625), (240, 0.0625), (1000, 0.0625), (4100, 0.0625),
    ]
    let rows = try cases.map { extent, fraction in
      let data = try gaussianRows(run, extent: extent, rows: run.isQuick ? 64 : 1024)
      let rules = try [StatisticWindow.FractionRounding.up, .down].map { rounding in
        try WindowEstimate.of(
          data, fractions: [fraction], rounding: rounding, run.compiler)[0]
      }
      return ["\(extent)", Figure.fraction(fraction)]
        + rules.flatMap { ["\($0.count)", Figure.percent($0.meanError, 2)] }
    }
    return PaperReport.Table(
      "⌈n·p⌉ of the paper and ⌊n·p⌋ of its code: elements and mean error on normal rows",
      columns: ["n", "p", "⌈n·p⌉", "error", "⌊n·p⌋", "error"], rows: rows)
  }

  private func verdicts(
    _ timings: [WindowTiming], _ normal: [WindowEstimate], _ extent: Int
  ) -> [PaperReport.Verdict] {
    let all = timings.flatMap { timing in timing.partials.map { (timing, $0) } }
    let slower = all.filter { $0.0.isSlower($0.1) }
    let worst = all.max { $0.1.toRMS.median < $1.1.toRMS.median }
    let names = slower.map {
      "\($0.0.shape) \($0.0.storage.rawValue) at \(Figure.fraction($0.1.fraction))"
    }
    let errors = normal.map(\.meanError)
    return [
      PaperReport.Verdict(
        "pRMSNorm is not slower than RMSNorm beyond noise", holds: slower.isEmpty,
        measured: "\(all.count - slower.count) of \(all.count)"
          + (names.isEmpty ? "" : "; slower " + names.joined(separator: ", "))
          + "; largest median ratio \(Figure.decimal(worst?.1.toRMS.median ?? .nan, 3))",
        isTiming: true),
      PaperReport.Verdict(
        "the whole row has no error, and more of the row has less",
        holds: errors.last == 0 && zip(errors, errors.dropFirst()).allSatisfy { $0 > $1 },
        measured: errors.map { Figure.percent($0, 2) }.joined(separator: ", ")),
    ]
  }

  private func plot(
    _ timings: [WindowTiming], _ normal: [WindowEstimate], _ extent: Int,
    _ real: [WindowEstimate]?
  ) -> PaperPlot {
    func errors(_ estimates: [WindowEstimate]) -> [PaperPlot.Point] {
      estimates.filter { $0.meanError > 0 }
        .map { PaperPlot.Point(x: 100 * $0.fraction, y: 100 * $0.meanError) }
    }
    let share = PaperPlot.Axis("p, % of the row")
    let times = [DType.f32, .bf16].map { storage in
      PaperPlot.Subplot(
        "Time, \(storage.rawValue)", x: share, y: PaperPlot.Axis("pRMSNorm / RMSNorm"),
        series: timings.filter { $0.storage == storage }.map { timing in
          PaperPlot.Series(
            timing.shape,
            timing.partials.map { PaperPlot.Point(x: 100 * $0.fraction, y: $0.toRMS.median) })
        })
    }
    let estimates =
      [PaperPlot.Series("normal rows, n = \(extent)", errors(normal))]
      + (real.map { [PaperPlot.Series("real rows", errors($0))] } ?? [])
    return PaperPlot(
      "sweep", title: "Partial RMSNorm against the share of the row in its statistic",
      subplots: times + [
        PaperPlot.Subplot(
          "Error of the statistic", x: share, y: PaperPlot.Axis("mean error, %"),
          series: estimates)
      ])
  }
}
