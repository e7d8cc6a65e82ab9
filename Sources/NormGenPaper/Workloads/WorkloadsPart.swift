import NormGen
import NormGenMeasure

/// The paper's five workloads, forward and backward, with each norm: what a norm costs where it is
/// fused.
public struct WorkloadsPart: PaperPart {
  public let name = "workloads"
  public let claim = "§6: what RMSNorm saves against LayerNorm in the paper's models"

  /// The workloads.
  public init() {}

  public func report(_ run: PaperRun) throws -> PaperReport {
    var timings: [WorkloadTiming] = []
    var checks: [WorkloadCheck] = []
    let partCompiler = PartCompiler(run.compiler)
    for workload in Workload.all(isQuick: run.isQuick) {
      for storage in run.isQuick ? [DType.f32] : [.f32, .bf16] {
        run.begins("\(name): \(workload.title), \(storage.rawValue)")
        let kernels = try WorkloadKernels(workload, storage: storage)
        for pass in WorkloadPass.allCases {
          checks.append(try WorkloadCheck(kernels, pass, rows: 2, run, partCompiler))
        }
        let memories = try kernels.memories(seed: run.seed)
        for pass in WorkloadPass.allCases {
          timings.append(
            try WorkloadTiming(
              kernels, pass, memories, rounds: run.isQuick ? 3 : 9,
              roundSeconds: run.isQuick ? 0.0002 : 0.01, run.compiler,
              partCompiler))
        }
      }
    }
    return PaperReport(
      part: name, title: "The paper's workloads", prose: prose(run.isQuick),
      tables: [
        timeTable(timings), savingTable(timings), priceTable(timings), checkTable(checks),
      ],
      verdicts: Self.verdicts(checks) + (run.isQuick ? [] : Self.verdicts(timings)))
  }

  private func prose(_ isQuick: Bool) -> [String] {
    [
      "A step of each model at the paper's batch and layer sizes, one thread, warm memory that all "
        + "variants share, measured in turns. Fused, each piece is one kernel; unfused, its "
        + "products, its sums over rows and the rows between them are kernels of their own, in the "
        + "same generated code. All variants have the shift; all but the first the gain.",
      "The forward kernels store the products that the backward kernels read; backward is the "
        + "derived gradient with respect to all inputs, weights, gains and shifts. The gates of a "
        + "cell have weights of their own, and the norm sees all of a row's gates as one row; "
        + "partial RMSNorm's window lies in the first gate.",
      "order-embedding: batch 128, 300 inputs, 1024 units. RNNSearch: batch 80, words of 512, 1024 "
        + "units, annotations of 2048; two GRU steps, attention to one source position (its "
        + "weight by a sigmoid in place of the softmax), the readout. Attentive reader: batch 64, "
        + "240 units. Transformer base: attention's output projection and feed-forward, each with "
        + "residual and norm, 512 and 2048 units; 1024 tokens in place of the paper's 25000. "
        + "ConvPool-CNN-C: batch 100, three times each of [96, 32·32], [192, 16·16] and [192, 6·6]; "
        + "the convolutions' outputs are taken as given, so that there is nothing to unfuse; "
        + "p = 12.5 %, elsewhere 6.25 %.",
      "The paper's savings are those of training with frameworks on GPUs, where most of a norm's "
        + "time is overhead: shown beside ours, not aimed at.",
    ]
      + (isQuick
        ? [
          "Quick runs have a part of the paper's sizes, types and pieces; their times say nothing."
        ] : [])
  }

  private func timeTable(_ timings: [WorkloadTiming]) -> PaperReport.Table {
    PaperReport.Table(
      "Milliseconds of a step",
      columns: ["workload", "type", "pass", "form"] + RecurrentNorm.allCases.map(\.title),
      rows: timings.flatMap { timing in
        timing.forms.map { form in
          label(timing) + [form.form.rawValue]
            + RecurrentNorm.allCases.map { Figure.digits(1e3 * form.seconds($0).median) }
        }
      })
  }

  private func savingTable(_ timings: [WorkloadTiming]) -> PaperReport.Table {
    PaperReport.Table(
      "Time saved against LayerNorm, fused and unfused, beside the paper's (quartiles of the rounds)",
      columns: [
        "workload", "type", "pass", "form", "RMSNorm", "pRMSNorm", "paper's RMSNorm",
        "paper's pRMSNorm",
      ],
      rows: timings.flatMap { timing in
        timing.forms.map { form in
          label(timing) + [form.form.rawValue]
            + [RecurrentNorm.rmsNorm, .partialRMSNorm].map { variant in
              saving(form.ratio(variant, to: .layerNorm))
            }
            + [timing.workload.paperSavings.rmsNorm, timing.workload.paperSavings.partial]
        }
      })
  }

  private func priceTable(_ timings: [WorkloadTiming]) -> PaperReport.Table {
    PaperReport.Table(
      "What norms add to the fused step without them, and what fusing is worth with RMSNorm",
      columns: [
        "workload", "type", "pass", "LayerNorm", "RMSNorm", "pRMSNorm", "pRMSNorm / RMSNorm",
        "RMSNorm again", "unfused / fused",
      ],
      rows: timings.map { timing in
        let worth = timing.unfused.map { unfused in
          Figure.decimal(
            unfused.seconds(.rmsNorm).median / timing.fused.seconds(.rmsNorm).median, 2)
        }
        return label(timing)
          + [RecurrentNorm.layerNorm, .rmsNorm, .partialRMSNorm].map { variant in
            Figure.percent(timing.fused.ratio(variant, to: .none).median - 1, 1)
          }
          + [
            spread(timing.fused.ratio(.partialRMSNorm, to: .rmsNorm))
              + (timing.partialIsSlower ? " slower" : ""),
            spread(timing.noise), worth ?? "one kernel",
          ]
      })
  }

  private func checkTable(_ checks: [WorkloadCheck]) -> PaperReport.Table {
    PaperReport.Table(
      "Against the oracle, 2 rows, four variants",
      columns: [
        "workload", "type", "pass", "kernels", "elements", "beyond the bound", "without a bound",
        "largest error / bound", "unfused bits",
      ],
      rows: checks.map { check in
        [
          check.workload, check.storage.rawValue, check.pass.rawValue, "\(check.kernels)",
          "\(check.elements)", "\(check.failures)", "\(check.unbounded)",
          Figure.digits(check.worstRatio, 2), check.unfusedAgrees ? "the same" : "different",
        ]
      })
  }

  private func label(_ timing: WorkloadTiming) -> [String] {
    [timing.workload.title, timing.storage.rawValue, timing.pass.rawValue]
  }

  private func saving(_ ratio: Spread) -> String {
    Figure.percent(1 - ratio.median, 1) + " (" + Figure.decimal(100 * (1 - ratio.upperQuartile), 1)
      + "–" + Figure.decimal(100 * (1 - ratio.lowerQuartile), 1) + ")"
  }

  private func spread(_ spread: Spread) -> String {
    Figure.decimal(spread.median, 3) + " (" + Figure.decimal(spread.lowerQuartile, 3) + "–"
      + Figure.decimal(spread.upperQuartile, 3) + ")"
  }

  // MARK: Verdicts

  static func verdicts(_ checks: [WorkloadCheck]) -> [PaperReport.Verdict] {
    let failed = checks.filter { !$0.passes }
    let names = failed.map { "\($0.workload) \($0.storage.rawValue) \($0.pass.rawValue)" }
    return [
      PaperReport.Verdict(
        "every variant's outputs and gradients lie inside the oracle's bound, fused and unfused "
          + "with the same bits", holds: failed.isEmpty && !checks.isEmpty,
        measured: "\(checks.map(\.elements).reduce(0, +)) elements of "
          + "\(checks.map(\.kernels).reduce(0, +)) kernels"
          + (names.isEmpty ? "" : "; not " + names.joined(separator: ", ")))
    ]
  }

  private static func verdicts(_ timings: [WorkloadTiming]) -> [PaperReport.Verdict] {
    let slower = timings.filter(\.partialIsSlower)
    let names = slower.map { "\($0.workload.title) \($0.storage.rawValue) \($0.pass.rawValue)" }
    let steps = timings.filter { $0.workload.title == "order-embedding GRU" && $0.pass == .forward }
    let prices = steps.map { timing in
      let added = [RecurrentNorm.rmsNorm, .partialRMSNorm, .layerNorm].map { variant in
        variant.title + " "
          + Figure.percent(timing.fused.ratio(variant, to: .none).median - 1, 1)
      }
      return "\(timing.storage.rawValue): \(added.joined(separator: ", "))"
    }
    return [
      PaperReport.Verdict(
        "fused pRMSNorm is not slower than RMSNorm beyond noise", holds: slower.isEmpty,
        measured: "\(timings.count - slower.count) of \(timings.count)"
          + (names.isEmpty ? "" : "; slower " + names.joined(separator: ", ")), isTiming: true),
      PaperReport.Verdict(
        "the four RMSNorms of a fused GRU step add at most 10 % to the step without norms",
        holds: steps.allSatisfy { $0.fused.ratio(.rmsNorm, to: .none).median <= 1.1 },
        measured: prices.joined(separator: "; "), isTiming: true),
    ]
  }
}
