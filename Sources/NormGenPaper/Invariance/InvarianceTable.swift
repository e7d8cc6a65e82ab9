import NormGen

/// Table 1: what each norm does not see of its weights and data.
public struct InvarianceTable: PaperPart {
  public let name = "table1"
  public let claim = "the 30 invariance cells of table 1, and equation 6 for negative factors"
  private let expected: @Sendable (InvarianceNorm, InvarianceChange) -> Bool

  /// The paper's table.
  public init() {
    self.init { $0.invariances.contains($1) }
  }

  /// A table that expects other cells, to see it judged.
  package init(
    expecting expected: @escaping @Sendable (InvarianceNorm, InvarianceChange) -> Bool
  ) {
    self.expected = expected
  }

  /// A cell that says no must differ by more, and a bound that says yes must be less.
  static let leastDifference = 1e-2
  static let powersOfTwo: [Float] = [0.5, 2, 8]
  static let otherFactor: Float = 3.7
  static let negativeFactor: Float = -2

  /// Layer sizes: order-embedding's inputs and units, or less.
  private func layer(_ run: PaperRun) -> (WeightedLayer, [InvarianceChange: [Float]]) {
    var random = SeededGenerator(seed: run.seed)
    let layer = WeightedLayer(
      inputs: run.isQuick ? 48 : 300, units: run.isQuick ? 96 : 1024,
      samples: run.isQuick ? 6 : 16, random: &random)
    let deviation = 1 / Double(layer.inputs).squareRoot()
    let forWeights = (0..<layer.inputs).map { _ in Float(random.normal() * deviation) }
    let forData = (0..<layer.inputs).map { _ in Float(random.normal()) }
    return (layer, [.shiftedWeights: forWeights, .shiftedData: forData])
  }

  public func report(_ run: PaperRun) throws -> PaperReport {
    let (layer, offsets) = layer(run)
    var cells: [InvarianceCell] = []
    for norm in InvarianceNorm.allCases {
      run.begins("\(name): \(norm.title)")
      let trial = try InvarianceTrial(norm, layer, offsets, run)
      for change in InvarianceChange.allCases {
        cells.append(try trial.cell(change, expectsInvariance: expected(norm, change)))
      }
    }
    return PaperReport(
      part: name, title: "Table 1: what each norm does not see", prose: prose(layer),
      tables: [table(cells), boundTable(cells), signTable(cells)], verdicts: verdicts(cells))
  }

  private func prose(_ layer: WeightedLayer) -> [String] {
    [
      "\(layer.samples) samples of \(layer.inputs) inputs, \(layer.units) units; pre-activations "
        + "with gain and shift, ε = 0, Float32. LayerNorm, RMSNorm and pRMSNorm (the first "
        + "\(Figure.fraction(RowNormedLayer.fraction)) of the units) are one kernel each with the "
        + "matmul. WeightNorm is a kernel over the rows of W and the matmul with its result. "
        + "BatchNorm is the matmul and three kernels over the batch: mean, variance, normalization.",
      "A cell that says yes must give the same bits for δ = 1/2, 2 and 8, and for δ = 3.7, where "
        + "scaled numbers are rounded anew, stay within the derived bound: the oracle's bounds on "
        + "both calls and the movement of the exact result through that rounding. A shift (T2, T5) "
        + "rounds every number anew and is judged by the bound alone. The bound itself must be "
        + "below \(Self.leastDifference), and a cell that says no must differ by more than that "
        + "for every δ, so that no result could be either.",
    ]
  }

  private func table(_ cells: [InvarianceCell]) -> PaperReport.Table {
    PaperReport.Table(
      "Measured (paper's answer; largest difference: at powers of two, at 3.7)",
      columns: ["norm"] + InvarianceChange.allCases.map(\.title),
      rows: InvarianceNorm.allCases.map { norm in
        [norm.title] + cells.filter { $0.norm == norm }.map(\.text)
      })
  }

  private func boundTable(_ cells: [InvarianceCell]) -> PaperReport.Table {
    PaperReport.Table(
      "Cells that say yes, beside their bounds",
      columns: ["norm", "change", "δ", "largest difference", "largest bound", "difference/bound"],
      rows: cells.filter(\.expectsInvariance).map { cell in
        [
          cell.norm.title, cell.change.title, cell.change.isScaling ? "3.7" : "shift",
          Figure.digits(cell.otherDifference), Figure.digits(cell.greatestBound),
          Figure.digits(cell.worstRatio),
        ]
      })
  }

  private func signTable(_ cells: [InvarianceCell]) -> PaperReport.Table {
    PaperReport.Table(
      "δ = −2 without shift: outputs with a flipped sign and else the same bits",
      columns: ["norm", "change", "scaled outputs", "flipped", "other outputs", "unchanged"],
      rows: cells.compactMap { cell in
        cell.flip.map { flip in
          [
            cell.norm.title, cell.change.title, "\(flip.scaled)", "\(flip.flipped)",
            "\(flip.others)", "\(flip.unchanged)",
          ]
        }
      })
  }

  private func verdicts(_ cells: [InvarianceCell]) -> [PaperReport.Verdict] {
    func verdict(
      _ claim: String, _ judged: [InvarianceCell], _ holds: (InvarianceCell) -> Bool
    ) -> PaperReport.Verdict {
      let failing = judged.filter { !holds($0) }
      let names = failing.map { "\($0.norm.title) \($0.change.title)" }
      return PaperReport.Verdict(
        claim, holds: failing.isEmpty && !judged.isEmpty,
        measured: "\(judged.count - failing.count) of \(judged.count) cells"
          + (names.isEmpty ? "" : "; not " + names.joined(separator: ", ")))
    }
    let invariant = cells.filter(\.expectsInvariance)
    return [
      verdict(
        "yes is the same bits for powers of two", invariant.filter(\.change.isScaling)
      ) { $0.powerDifference == 0 },
      verdict("yes is within the derived bound at 3.7 and for shifts", invariant) {
        $0.worstRatio <= 1 && $0.greatestBound < Self.leastDifference
      },
      verdict("no differs by more than 1e-2", cells.filter { !$0.expectsInvariance }) {
        $0.powerDifference > Self.leastDifference && $0.otherDifference > Self.leastDifference
      },
      verdict(
        "a negative factor flips the sign, bit by bit", cells.filter { $0.flip != nil }
      ) { $0.flip?.isWhole ?? false },
    ]
  }
}

/// What was found for one norm and one change.
struct InvarianceCell {
  /// Outputs under a negative factor.
  struct Flip {
    var scaled = 0
    var flipped = 0
    var others = 0
    var unchanged = 0

    var isWhole: Bool { scaled > 0 && flipped == scaled && unchanged == others }
  }

  let norm: InvarianceNorm
  let change: InvarianceChange
  let expectsInvariance: Bool
  /// The largest difference; of a cell that says no, the least of these over the powers of two.
  let powerDifference: Double
  /// The largest difference at 3.7 or under the shift.
  let otherDifference: Double
  /// The largest bound, and the largest difference by its bound; zero for cells that say no.
  let greatestBound: Double
  let worstRatio: Double
  let flip: Flip?

  var text: String {
    let answer = expectsInvariance ? "yes" : "no"
    guard change.isScaling else { return "\(answer); \(Figure.digits(otherDifference, 2))" }
    let powers = powerDifference == 0 ? "0" : Figure.digits(powerDifference, 2)
    return "\(answer); \(powers), \(Figure.digits(otherDifference, 2))"
  }
}
