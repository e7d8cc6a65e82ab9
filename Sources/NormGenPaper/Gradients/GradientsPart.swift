import NormGen
import NormGenCheck

/// Equations 8 to 10: what gradients see of the scale of weights and data.
public struct GradientsPart: PaperPart {
  public let name = "gradients"
  public let claim = "equations 8 to 10: gradients under scaled data and weights, and ⟨∂W, W⟩ = 0"
  private let expected: @Sendable (GradientChange, String) -> Int

  /// The paper's equations.
  public init() {
    self.init { $0.power(of: $1) }
  }

  /// Equations that expect other powers of δ, to see them judged.
  init(expecting expected: @escaping @Sendable (GradientChange, String) -> Int) {
    self.expected = expected
  }

  /// What is claimed of a layer without a norm must be off by more, and bounds must be less.
  static let leastDifference = 1e-2
  static let powersOfTwo = [0.5, 2, 8]
  /// 3.7, in eight digits: products with inputs of 14 digits are exact in Float32.
  static let otherFactor = 237.0 / 64

  /// One norm's gradients beside central differences.
  struct Differences: Sendable {
    let norm: RecurrentNorm
    let comparisons: [CentralDifferences.Comparison]
  }

  public func report(_ run: PaperRun) throws -> PaperReport {
    let size = GradientLayer.Size(
      inputs: run.isQuick ? 24 : 300, units: run.isQuick ? 48 : 512,
      samples: run.isQuick ? 5 : 16)
    var cells: [GradientCell] = []
    var alignments: [WeightAlignment] = []
    var differences: [Differences] = []
    for norm in RecurrentNorm.allCases {
      run.begins("\(name): \(norm.title)")
      let product = try GradientLayer(norm, of: .product, size, run.compiler)
      let sums = try GradientLayer(norm, of: .sums, size, run.compiler)
      for change in GradientChange.allCases {
        cells += try GradientCell.all(
          change.subject == .sums ? sums : product, change, seed: run.seed, expecting: expected)
      }
      alignments.append(try WeightAlignment(product, seed: run.seed))
      let small = try GradientLayer(
        norm, of: .product, GradientLayer.Size(inputs: 6, units: 32, samples: 3), run.compiler)
      differences.append(
        try Self.differences(norm, small.forward, small.backward, seed: run.seed))
    }
    return PaperReport(
      part: name, title: "Equations 8 to 10: gradients", prose: prose(size),
      tables: [
        changeTable(cells), boundTable(cells), alignmentTable(alignments),
        differenceTable(differences),
      ],
      verdicts: Self.verdicts(cells) + Self.verdicts(alignments) + Self.verdicts(differences))
  }

  /// The gradients that a backward kernel writes, beside differences of a forward graph.
  static func differences(
    _ norm: RecurrentNorm, _ forward: Graph, _ backward: CompiledKernel, seed: UInt64
  ) throws -> Differences {
    let differences = try CentralDifferences(forward, rows: 3, seed: seed)
    let graph = backward.lowering.graph
    let needed = Set(graph.inputs.compactMap { graph[$0].inputName })
    let outputs = try backward(differences.tensors.filter { needed.contains($0.key) })
    return Differences(
      norm: norm, comparisons: try differences.comparisons(with: graph, outputs: outputs))
  }
}
