import Foundation
import NormGen
@testable import NormGenPaper
import Testing

/// `normgen paper train`: the models against PyTorch's recorded losses, with right and with broken
/// gradients.
@Suite struct TrainingTests {
  private static let compiler = Compiler(target: HostCPU.current.bestTarget)

  /// The first losses of a model's RMSNorm run, as a part of what the record allows.
  private static func distance(
    of model: String, seed: UInt64 = 1, _ rewrite: @escaping TrainedLayer.Rewrite = { $0 }
  ) throws -> Double {
    let recorded = try RecordedLosses.committed()
    let known = try #require(recorded.models[model])
    let steps = known.float64.count
    let run =
      model == GRUClassifier.title
      ? try TrainingRun([.rmsNorm], steps: steps, seed: seed) {
        try GRUClassifier($0, seed: seed, compiler, rewrite)
      }
      : try TrainingRun([.rmsNorm], steps: steps, seed: seed) {
        try TransformerClassifier($0, seed: seed, compiler, rewrite)
      }
    return known.distance(of: try #require(run[.rmsNorm]).losses)
  }

  @Test(arguments: [GRUClassifier.title, TransformerClassifier.title])
  func firstLossesArePyTorchs(_ model: String) throws {
    let distance = try Self.distance(of: model)
    #expect(distance <= 1)
    #expect(distance > 0)
  }

  @Test func otherParametersAreNotPyTorchs() throws {
    #expect(try Self.distance(of: GRUClassifier.title, seed: 2) > 1)
  }

  /// Every layer's gradient with one term missing leads away from the recorded losses.
  ///
  /// The last sum of a softmax's gradient takes off the share of the row's maximum, which is 0 but
  /// for roundings; there the sum before it loses a term.
  @Test(
    arguments: [
      (GRUClassifier.title, "train_gru_rmsNorm", 0), (GRUClassifier.title, "train_scores_64", 1),
      (TransformerClassifier.title, "train_attention", 1),
      (TransformerClassifier.title, "train_projections", 0),
      (TransformerClassifier.title, "train_mixing_rmsNorm", 0),
      (TransformerClassifier.title, "train_feed_forward_rmsNorm", 0),
    ])
  func aMissingTermOfAGradientIsSeen(_ model: String, _ kernel: String, _ skipped: Int) throws {
    let distance = try Self.distance(of: model) { graph in
      guard graph.name == "\(kernel)_gradient" else { return graph }
      return try #require(Self.withoutTerm(graph, skipping: skipped), "no sum in \(graph.name)")
    }
    #expect(distance > 1, "\(kernel): \(distance)")
  }

  /// A graph whose last sum of rows, or one before it, has one of its terms only.
  private static func withoutTerm(_ graph: Graph, skipping skipped: Int = 0) -> Graph? {
    var skipped = skipped
    for id in graph.values.reversed() {
      let node = graph[id]
      let kept: ValueID
      switch node.op {
      case .elementwise(.add), .elementwise(.subtract): kept = node.operands[0]
      case .elementwise(.multiplyAdd): kept = node.operands[2]
      case .input, .constant, .elementwise, .statistic, .convert, .reshape, .columns, .concatenate,
        .leadingPart, .matmul, .rowSum, .outerSum, .dequantize:
        continue
      }
      guard graph[kept].shape == node.shape, node.shape.hasRows else { continue }
      guard skipped == 0 else {
        skipped -= 1
        continue
      }
      var nodes = graph.nodes
      nodes[id.index] = Node(
        op: .elementwise(.maximum), operands: [kept, kept], shape: node.shape, name: node.name,
        scope: node.scope)
      return Graph(
        name: graph.name, nodes: nodes, inputs: graph.inputs, outputs: graph.outputs,
        scopes: graph.scopes)
    }
    return nil
  }

  @Test func aBrokenGradientFailsThePart() throws {
    let part = TrainPart { graph in
      guard graph.name == "train_gru_rmsNorm_gradient" else { return graph }
      return try #require(Self.withoutTerm(graph))
    }
    let report = try part.report(
      PaperRun(compiler: Self.compiler, isQuick: true, seed: 1))
    #expect(!report.holds)
    #expect(report.verdicts.map(\.holds) == [true, false, true, true])
  }

  @Test func lossesThatAreMissingOrNotNumbersAreFarAway() {
    let model = RecordedLosses.Model(float64: [2, 1], float32Distance: [0.25, 0.5])
    #expect(model.distance(of: [2.25, 1]) == 0.5)
    #expect(model.distance(of: [2, 2]) == 1)
    #expect(model.distance(of: [2]) == .infinity)
    #expect(model.distance(of: [2, .nan]) == .infinity)
  }

  @Test func digitsAreWholeAndBatchesDoNotRepeat() {
    let digits = Digits.all
    #expect(digits.labels.count == 1797)
    #expect(digits.pixels.allSatisfy { $0.count == 64 && $0.allSatisfy { (0...1).contains($0) } })
    // The counts that the data's own description gives.
    #expect(
      (0..<10).map { digit in digits.labels.count { $0 == digit } }
        == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    var order = BatchOrder(seed: 5, count: 1500)
    let seen = (0..<30).flatMap { _ in order.next() }
    #expect(seen.sorted() == Array(0..<1500))
    #expect((0..<30).flatMap { _ in order.next() } != seen)
  }
}
