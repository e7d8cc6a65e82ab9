import NormGen
import NormGenMeasure

/// Two small models trained on generated kernels, in the paper's four variants.
public struct TrainPart: PaperPart {
  public let name = "train"
  public let claim = "a GRU and a Transformer trained on kernels and derived gradients"
  private let rewrite: TrainedLayer.Rewrite

  /// The part.
  public init() { self.init { $0 } }

  /// A part whose gradient graphs are changed before they are compiled, to see that it is noticed.
  init(rewritingGradients rewrite: @escaping TrainedLayer.Rewrite) { self.rewrite = rewrite }

  public func report(_ run: PaperRun) throws -> PaperReport {
    let norms: [RecurrentNorm] = run.isQuick ? [.rmsNorm] : RecurrentNorm.allCases
    let recorded = try RecordedLosses.committed()
    let steps = run.isQuick ? 20 : TrainingRun.plannedSteps
    run.begins("\(name): GRU")
    let gru = try TrainingRun(norms, steps: steps, seed: run.seed) {
      try GRUClassifier($0, seed: run.seed, run.compiler, rewrite)
    }
    run.begins("\(name): Transformer")
    let transformer = try TrainingRun(norms, steps: steps, seed: run.seed) {
      try TransformerClassifier($0, seed: run.seed, run.compiler, rewrite)
    }
    let runs = [gru, transformer]
    return PaperReport(
      part: name, title: "Training on generated kernels",
      prose: prose(run, steps, recorded), tables: runs.map(table),
      verdicts: runs.flatMap { verdicts($0, run, recorded) }, plots: [plot(runs)])
  }

  private func prose(_ run: PaperRun, _ steps: Int, _ recorded: RecordedLosses) -> [String] {
    [
      "The digits set of scikit-learn, 8×8 pixels: \(Digits.trainedCount) images to train on, "
        + "\(Digits.all.labels.count - Digits.trainedCount) held out. A GRU of "
        + "\(GRUClassifier.units) units reads an image row by row; a Transformer of "
        + "\(TransformerClassifier.blocks) post-norm blocks (width \(TransformerClassifier.width), "
        + "\(TransformerClassifier.heads) heads, \(TransformerClassifier.hidden) hidden units) "
        + "sees its rows as tokens. All matmuls, norms, softmaxes and losses are generated "
        + "kernels in Float32, and their gradients are kernels that `gradient` derives; the host "
        + "moves data, adds gradients up and descends.",
      "\(steps) of \(TrainingRun.plannedSteps) steps of \(Batch.capacity) images, stochastic "
        + "gradient descent with momentum \(Figure.digits(Double(ParameterState.momentum))), "
        + "learning rate up to \(Figure.digits(GRUClassifier.rate)) and "
        + "\(Figure.digits(TransformerClassifier.rate)), rising over "
        + "\(TrainingRun.risingSteps) steps and then falling evenly to 0. The variants start from "
        + "the same parameters and see the same batches in turns; without norm there is a shift "
        + "and no gain; pRMSNorm sees the first \(Figure.fraction(RecurrentNorm.fraction)) of a "
        + "row, here 4 elements. The loss is cross entropy with 0.1 of the target shared by all classes, as "
        + "Transformer base is trained; final losses are over all images of a kind. Such a loss "
        + "cannot fall below \(Figure.decimal(Digits.leastLoss, 4)), and the tables show by how "
        + "much it stays above.",
      "Rates and smoothing were chosen before, with the PyTorch models and one seed. Without "
        + "smoothing and with a constant rate every variant fits the images it is trained on, "
        + "losses fall below 0.1, and whose is smallest changes from rate to rate: the 2 % below "
        + "are those of the smoothed loss, and say less than the same share of a plain one.",
      run.seed == recorded.seed
        ? "The RMSNorm runs' first losses are compared with PyTorch's, which "
          + "`Benchmarks/training/record.py` computes from the same seeded parameters and "
          + "batches: once in Float64, and several times in Float32 with the images of each batch "
          + "in another order. A loss may be \(Figure.digits(RecordedLosses.multiple)) times as far "
          + "from the Float64 one as the farthest of these Float32 runs has been up to that step."
        : "The first losses are compared with PyTorch's for seed \(recorded.seed) only.",
    ]
  }

  private func table(_ run: TrainingRun) -> PaperReport.Table {
    let least = Digits.leastLoss
    return PaperReport.Table(
      "\(word(run)): final losses and time of a step",
      columns: [
        "variant", "first loss", "final loss", "above the least", "held out", "ms a step",
        "by LayerNorm's",
      ],
      rows: run.courses.map { course in
        let time = Spread(course.seconds).median
        return [
          course.norm.title, Figure.decimal(course.losses.first ?? .nan, 4),
          Figure.decimal(course.finalLoss, 4), Figure.decimal(course.finalLoss - least, 4),
          Figure.decimal(course.heldOutLoss, 4), Figure.digits(time * 1e3),
          run[.layerNorm].map { ratio(course, $0) } ?? "-",
        ]
      })
  }

  /// The median of the steps' ratios with their quartiles.
  private func ratio(_ course: TrainingRun.Course, _ other: TrainingRun.Course) -> String {
    let ratio = course.ratio(to: other)
    return Figure.decimal(ratio.median, 3) + " (" + Figure.decimal(ratio.lowerQuartile, 3) + "–"
      + Figure.decimal(ratio.upperQuartile, 3) + ")"
  }

  private func word(_ run: TrainingRun) -> String {
    run.title == GRUClassifier.title ? "GRU" : "Transformer"
  }

  private func verdicts(
    _ training: TrainingRun, _ run: PaperRun, _ recorded: RecordedLosses
  ) -> [PaperReport.Verdict] {
    let model = word(training)
    var verdicts: [PaperReport.Verdict] = []
    if let rms = training[.rmsNorm] {
      let first = rms.losses.first ?? .nan
      verdicts.append(
        PaperReport.Verdict(
          "\(model): training lowers the loss", holds: rms.finalLoss < first,
          measured: "RMSNorm from \(Figure.decimal(first, 4)) to "
            + Figure.decimal(rms.finalLoss, 4)))
      if run.seed == recorded.seed, let known = recorded.models[training.title] {
        let distance = known.distance(of: rms.losses)
        verdicts.append(
          PaperReport.Verdict(
            "\(model): the first \(known.float64.count) losses are PyTorch's",
            holds: distance <= 1,
            measured: "\(Figure.digits(distance)) of what is allowed, at most "
              + Figure.digits(
                RecordedLosses.multiple * (known.float32Distance.max() ?? 0))))
      }
    }
    if !run.isQuick, let none = training[.none], let layer = training[.layerNorm],
      let rms = training[.rmsNorm]
    {
      verdicts += [
        PaperReport.Verdict(
          "\(model): RMSNorm's final loss is within 2 % of LayerNorm's",
          holds: abs(rms.finalLoss / layer.finalLoss - 1) <= 0.02,
          measured: Figure.percent(rms.finalLoss / layer.finalLoss - 1, 2)),
        PaperReport.Verdict(
          "\(model): both norms are better than none",
          holds: max(rms.finalLoss, layer.finalLoss) < none.finalLoss,
          measured: [rms, layer, none].map { Figure.decimal($0.finalLoss, 4) }
            .joined(separator: ", ")),
        PaperReport.Verdict(
          "\(model): a step with RMSNorm takes no longer than with LayerNorm beyond noise",
          holds: rms.ratio(to: layer).lowerQuartile <= 1, measured: ratio(rms, layer),
          isTiming: true),
      ]
    }
    return verdicts
  }

  private func plot(_ runs: [TrainingRun]) -> PaperPlot {
    PaperPlot(
      "train", title: "Loss of each step's batch, on generated kernels",
      subplots: runs.map { run in
        PaperPlot.Subplot(
          word(run), x: PaperPlot.Axis("step"), y: PaperPlot.Axis("loss"),
          series: run.courses.map { course in
            PaperPlot.Series(course.norm.title, Self.averaged(course.losses))
          })
      })
  }

  /// The means of ten steps' losses.
  private static func averaged(_ losses: [Double]) -> [PaperPlot.Point] {
    stride(from: 0, to: losses.count, by: 10).map { start in
      let part = losses[start..<min(start + 10, losses.count)]
      return PaperPlot.Point(
        x: Double(start) + Double(part.count) / 2, y: part.reduce(0, +) / Double(part.count))
    }
  }
}

extension TrainingRun.Course {
  /// A step's time by the other's, step by step.
  fileprivate func ratio(to other: TrainingRun.Course) -> Spread {
    Spread(zip(seconds, other.seconds).map { $0 / $1 })
  }
}
