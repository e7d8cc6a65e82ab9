import NormGen

/// The proxy of figure 4 and table 5: the hidden-to-hidden mapping of a GRU whose weights are
/// drawn around 0.2.
public struct RecurrentStability: PaperPart {
  public let name = "stability"
  public let claim = "figure 4 and table 5: normalized hidden-to-hidden mappings stay stable"

  /// The part.
  public init() {}

  /// The weights' center of the paper's robustness test, and that of its other models.
  static let centers = [0.2, 0.0]
  static let deviation = 0.01
  static let epsilon: Float = 1e-5

  public func report(_ run: PaperRun) throws -> PaperReport {
    let size =
      run.isQuick
      ? RolloutSize(inputs: 32, units: 64, samples: 4, steps: 50)
      : RolloutSize(inputs: 512, units: 1024, samples: 16, steps: 50)
    let rollouts = try Self.centers.map { center in
      try RecurrentNorm.allCases.map { norm in
        run.begins("\(name): \(norm.title), weights around \(Figure.decimal(center, 1))")
        return try Rollout(norm, size: size, center: center, seed: run.seed, run.compiler)
      }
    }
    return PaperReport(
      part: name, title: "Stability: the hidden-to-hidden mapping of a GRU", prose: prose(size),
      tables: zip(Self.centers, rollouts).map(table), verdicts: Self.verdicts(rollouts[0]),
      plots: [plot(rollouts[0])])
  }

  private func prose(_ size: RolloutSize) -> [String] {
    [
      "A model of RNNSearch's decoder cell without attention and untrained: \(size.samples) "
        + "sequences of \(size.steps) steps, inputs of \(size.inputs) normal numbers, "
        + "\(size.units) units, all weights from N(0.2, 0.01) (deviation 0.01) as in the paper's "
        + "robustness test, biases 0, gains 1, ε = 1e-5, pRMSNorm over the first "
        + "\(Figure.fraction(RecurrentNorm.fraction)). Every step is one generated kernel: four "
        + "matmuls, four norms of the summed inputs, gates and blend. The four variants see the "
        + "same weights, first state and inputs.",
      "The mapping is what a step adds from the hidden state, norm(hU) for gates and candidate, "
        + "over all samples and units. With every weight near 0.2, hU of all units is nearly the "
        + "same large number: without a norm it saturates gates and candidate. The paper measures "
        + "trained models (table 5) and translation quality (figure 4); this shows the mechanism "
        + "only. Weights around 0 are shown for comparison. The deviation among the units of one "
        + "sequence shows what the norms leave of that common part: RMSNorm scales it to ±1, "
        + "LayerNorm removes it and scales up what remains.",
      "Saturated is the part of the mapping beyond ±4, where a sigmoid is within 2 % of 0 or 1. "
        + "A variant is stable if in every step the root mean square of its mapping is below 2 "
        + "and less than 1 % of it is saturated; the variant without norm is unstable if in its last "
        + "step most of the mapping is saturated or its root mean square is above 4.",
    ]
  }

  private func table(_ center: Double, _ rollouts: [Rollout]) -> PaperReport.Table {
    let shown = [1, 2, 5, 10, 25, 50]
    return PaperReport.Table(
      "Weights around \(Figure.decimal(center, 1)): mean / deviation of the mapping",
      columns: ["variant"] + shown.map { "step \($0)" }
        + ["largest RMS", "saturated, last step", "deviation among units, last step"],
      rows: rollouts.map { rollout in
        [rollout.norm.title]
          + shown.map { step in
            guard rollout.steps.indices.contains(step - 1) else { return "-" }
            let one = rollout.steps[step - 1]
            return "\(Figure.digits(one.mean)) / \(Figure.digits(one.deviation))"
          }
          + [
            Figure.digits(rollout.steps.map(\.rootMeanSquare).max() ?? .nan),
            Figure.percent(rollout.steps.last?.saturated ?? .nan, 1),
            Figure.digits(rollout.steps.last?.deviationOfUnits ?? .nan),
          ]
      })
  }

  /// The judgement of the variants at one center.
  static func verdicts(_ rollouts: [Rollout]) -> [PaperReport.Verdict] {
    rollouts.map { rollout in
      let greatest = rollout.steps.map(\.rootMeanSquare).max() ?? .nan
      let saturated = rollout.steps.map(\.saturated).max() ?? .nan
      let last = rollout.steps.last
      switch rollout.norm {
      case .none:
        let root = last?.rootMeanSquare ?? .nan
        let part = last?.saturated ?? .nan
        return PaperReport.Verdict(
          "without norm the mapping saturates", holds: part > 0.5 || root > 4,
          measured: "last step: root mean square \(Figure.digits(root)), "
            + "\(Figure.percent(part, 1)) saturated")
      case .layerNorm, .rmsNorm, .partialRMSNorm:
        return PaperReport.Verdict(
          "with \(rollout.norm.title) the mapping stays stable",
          holds: greatest < 2 && saturated < 0.01,
          measured: "largest root mean square \(Figure.digits(greatest)), "
            + "most saturated \(Figure.percent(saturated, 3))")
      }
    }
  }

  private func plot(_ rollouts: [Rollout]) -> PaperPlot {
    func subplot(
      _ title: String, _ label: String, _ value: (Rollout.Step) -> Double
    ) -> PaperPlot.Subplot {
      PaperPlot.Subplot(
        title, x: PaperPlot.Axis("step"), y: PaperPlot.Axis(label, isLogarithmic: true),
        series: rollouts.map { rollout in
          PaperPlot.Series(
            rollout.norm.title,
            rollout.steps.enumerated().map { PaperPlot.Point(x: Double($0 + 1), y: value($1)) })
        })
    }
    return PaperPlot(
      "stability", title: "Hidden-to-hidden mapping of a GRU, weights from N(0.2, 0.01)",
      subplots: [
        subplot("Mean", "|mean|, at least 0.001") { max(abs($0.mean), 1e-3) },
        subplot("Deviation", "deviation", \.deviation),
      ])
  }
}
