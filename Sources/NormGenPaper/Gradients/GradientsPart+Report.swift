import NormGen
import NormGenCheck

extension GradientsPart {
  func prose(_ size: GradientLayer.Size) -> [String] {
    [
      "\(size.samples) samples of \(size.inputs) inputs, \(size.units) units, ε = 0, Float32: "
        + "norm(xWᵀ) ⊙ g + b in one kernel, and norm(a) ⊙ g + b of given a. The backward kernels "
        + "are derived from these by `kernel.gradient()`; the gradient of the output is seeded. "
        + "pRMSNorm takes the first 6.25 % of the units.",
      "Scaling an input by δ divides that input's own gradient by δ, for R′ = R/δ, and leaves the "
        + "others: ∂b, ∂g, ∂W under x → δx, ∂x under W → δW. For δ = 1/2, 2 and 8 the bits must be "
        + "the same; for δ = 237/64 ≈ 3.7, by which all inputs are scaled exactly, the difference "
        + "must stay within the sum of the oracle's bounds on both calls. Differences and bounds "
        + "are given by the largest element of the gradient. Bounds must be below "
        + "\(Self.leastDifference), and without a norm every gradient but ∂b must differ by more: the first three rows show by how much the equations are off there.",
      "Central differences are those of the oracle's Float64 values for a small layer (3 samples, "
        + "6 inputs, 32 units), over three steps, with a bound on what they leave; the compiled "
        + "kernel's gradients are judged by that bound and the oracle's.",
    ]
  }

  func changeTable(_ cells: [GradientCell]) -> PaperReport.Table {
    PaperReport.Table(
      "Gradients (the equation; largest difference: at powers of two, at 237/64)",
      columns: ["norm", "change", "∂b", "∂g", "∂W", "∂x or ∂a"],
      rows: RecurrentNorm.allCases.flatMap { norm in
        GradientChange.allCases.map { change in
          let row = cells.filter { $0.norm == norm && $0.change == change }
          func text(_ names: [String]) -> String {
            row.first { names.contains($0.gradient) }?.text ?? "none"
          }
          return [
            norm.title, change.title, text(["d_shift"]), text(["d_gain"]), text(["d_w"]),
            text(["d_x", "d_a"]),
          ]
        }
      })
  }

  func boundTable(_ cells: [GradientCell]) -> PaperReport.Table {
    PaperReport.Table(
      "δ = 237/64, beside the bounds",
      columns: [
        "norm", "change", "gradient", "largest difference", "largest bound", "worst ratio",
      ],
      rows: cells.filter { $0.norm != .none }.map { cell in
        [
          cell.norm.title, cell.change.title, cell.gradient, Figure.digits(cell.otherDifference),
          Figure.digits(cell.greatestBound), Figure.digits(cell.worstRatio),
        ]
      })
  }

  func alignmentTable(_ alignments: [WeightAlignment]) -> PaperReport.Table {
    PaperReport.Table(
      "∂W is orthogonal to W",
      columns: ["norm", "⟨∂W, W⟩ by ‖∂W‖‖W‖", "bound"],
      rows: alignments.map {
        [$0.norm.title, Figure.digits($0.cosine), Figure.digits($0.bound)]
      })
  }

  func differenceTable(_ differences: [Differences]) -> PaperReport.Table {
    PaperReport.Table(
      "Central differences",
      columns: ["norm", "gradient", "elements", "known to 2⁻¹⁰", "worst difference/bound"],
      rows: differences.flatMap { entry in
        entry.comparisons.map { comparison in
          [
            entry.norm.title, "d_\(comparison.input)", "\(comparison.count)",
            "\(comparison.informative)", Figure.digits(comparison.worstRatio),
          ]
        }
      })
  }

  static func verdicts(_ cells: [GradientCell]) -> [PaperReport.Verdict] {
    func verdict(
      _ claim: String, _ judged: [GradientCell], _ holds: (GradientCell) -> Bool
    ) -> PaperReport.Verdict {
      let failing = judged.filter { !holds($0) }.map(\.name)
      return PaperReport.Verdict(
        claim, holds: failing.isEmpty && !judged.isEmpty,
        measured: "\(judged.count - failing.count) of \(judged.count) gradients"
          + (failing.isEmpty ? "" : "; not " + failing.joined(separator: ", ")))
    }
    let normed = cells.filter { $0.norm != .none }
    let bare = cells.filter { $0.norm == .none && $0.gradient != "d_shift" }
    return [
      verdict("equations 8 to 10 hold bit by bit for powers of two", normed) {
        $0.powerDifference == 0
      },
      verdict("equations 8 to 10 hold within the derived bounds at 237/64", normed) {
        $0.worstRatio <= 1 && $0.greatestBound < leastDifference
      },
      verdict("without a norm every gradient but ∂b differs by more than 1e-2", bare) {
        $0.leastPowerDifference > leastDifference && $0.otherDifference > leastDifference
      },
    ]
  }

  static func verdicts(_ alignments: [WeightAlignment]) -> [PaperReport.Verdict] {
    let failing = alignments.filter { alignment in
      alignment.norm == .none
        ? !(alignment.cosine > alignment.bound)
        : !(alignment.cosine <= alignment.bound && alignment.bound < leastDifference)
    }
    let worst = alignments.filter { $0.norm != .none }.map(\.cosine).max() ?? .nan
    return [
      PaperReport.Verdict(
        "⟨∂W, W⟩ is 0 within the derived bound, and without a norm it is not",
        holds: failing.isEmpty && !alignments.isEmpty,
        measured: failing.isEmpty
          ? "at most \(Figure.digits(worst, 2)) of ‖∂W‖‖W‖"
          : "not " + failing.map(\.norm.title).joined(separator: ", "))
    ]
  }

  static func verdicts(_ differences: [Differences]) -> [PaperReport.Verdict] {
    let all = differences.flatMap { entry in entry.comparisons.map { (entry.norm, $0) } }
    let failing = all.filter { !$0.1.agrees }
    let elements = all.map(\.1.count).reduce(0, +)
    return [
      PaperReport.Verdict(
        "every gradient is that of central differences", holds: failing.isEmpty && !all.isEmpty,
        measured: failing.isEmpty
          ? "\(elements) elements"
          : "not " + failing.map { "\($0.title) d_\($1.input)" }.joined(separator: ", "))
    ]
  }
}
