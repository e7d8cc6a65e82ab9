import NormGen

/// A model that tells digits apart.
protocol Classifier: AnyObject {
  /// The model's name in tables and in the recorded losses.
  static var title: String { get }
  /// The highest learning rate.
  static var rate: Double { get }

  var state: ParameterState { get }

  /// The sum over images of the loss of each; keeps what ``addGradients(_:)`` needs.
  func loss(_ batch: Batch) throws -> Double

  /// Adds the gradients of the mean loss of the images that ``loss(_:)`` saw last.
  func addGradients(_ batch: Batch) throws
}

/// Some images, for one call of each kernel.
struct Batch {
  /// The most images.
  static let capacity = 50

  let count: Int
  /// One row of pixels after the other, image by image.
  let pixels: [[Float]]
  /// The smoothed targets, a row for each image.
  let targets: Area

  init(_ digits: Digits, _ indices: some Collection<Int>) {
    count = indices.count
    pixels = indices.map { digits.pixels[$0] }
    targets = Area(count * Digits.classes)
    for (place, index) in indices.enumerated() {
      for (column, value) in digits.smoothedTarget(index).enumerated() {
        targets.numbers[place * Digits.classes + column] = value
      }
    }
  }
}

/// The last layer: scores by a matmul, and the cross entropy of their softmax with the targets.
final class ScoreLayer {
  private let layer: TrainedLayer
  private let losses = Area(Batch.capacity)
  private let upstream = Area(Batch.capacity)

  init(_ extent: Int, _ compiler: Compiler, _ rewrite: TrainedLayer.Rewrite) throws {
    let h = Tensor.input("h", [.rows, .fixed(extent)], .f32)
    let weights = Tensor.input("w_out", [.fixed(extent), .fixed(Digits.classes)], .f32)
    let bias = Tensor.input("b_out", [.fixed(Digits.classes)], .f32)
    let target = Tensor.input("target", [.rows, .fixed(Digits.classes)], .f32)
    let scores = h.matmul(weights) + bias
    let below = scores - scores.rowMaximum()
    let loss = below.exp().sum().log() - (target * below).sum()
    layer = try TrainedLayer(
      Kernel("train_scores_\(extent)", loss), gradientsOf: ["h", "w_out", "b_out"], compiler,
      rewrite)
  }

  static func parameters(_ extent: Int) -> [TrainedParameter] {
    [.matrix("w_out", extent, Digits.classes), .vector("b_out", Digits.classes, 0)]
  }

  /// The sum of the images' losses.
  func loss(_ h: KernelArgument, _ batch: Batch, _ state: ParameterState) throws -> Double {
    try layer.runForward(
      rows: batch.count,
      ["h": h, "target": batch.targets.argument(), "y": losses.argument(count: batch.count)],
      state)
    return losses.numbers.prefix(batch.count).reduce(0) { $0 + Double($1) }
  }

  /// Writes the gradient of the mean loss by `h`.
  func addGradients(
    _ h: KernelArgument, into gradient: KernelArgument, _ batch: Batch, _ state: ParameterState
  ) throws {
    upstream.numbers.update(repeating: 1 / Float(batch.count))
    try layer.runBackward(
      rows: batch.count,
      [
        "h": h, "target": batch.targets.argument(),
        "d_y": upstream.argument(count: batch.count), "d_h": gradient,
      ], state)
  }
}
