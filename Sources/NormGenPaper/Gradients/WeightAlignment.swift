import NormGen

/// ⟨∂W, W⟩, which is 0 behind a norm without epsilon: weights only grow.
struct WeightAlignment: Sendable {
  let norm: RecurrentNorm
  /// |⟨∂W, W⟩| / (‖∂W‖ ‖W‖).
  let cosine: Double
  /// What the derived bounds of ∂W leave of it.
  let bound: Double

  init(norm: RecurrentNorm, cosine: Double, bound: Double) {
    self.norm = norm
    self.cosine = cosine
    self.bound = bound
  }

  init(_ layer: GradientLayer, seed: UInt64) throws {
    let tensors = try layer.tensors(seed: seed)
    let gradient = try layer.gradients(tensors)["d_w"] ?? []
    let errors = try layer.bounds(tensors)["d_w"] ?? []
    let weights = tensors["w"]?.doubles ?? []
    var (product, reach, size) = (0.0, 0.0, 0.0)
    var (gradientSquares, weightSquares) = (0.0, 0.0)
    for ((d, error), w) in zip(zip(gradient, errors), weights) {
      product += d * w
      size += abs(d * w)
      reach += error * abs(w)
      gradientSquares += d * d
      weightSquares += w * w
    }
    let lengths = (gradientSquares * weightSquares).squareRoot()
    norm = layer.norm
    let isWhole = gradient.count == weights.count && errors.count == weights.count
    cosine = isWhole ? abs(product) / lengths : .nan
    // This sum in Float64 is off by at most as many units as it has terms.
    bound = (reach + size * Double(weights.count) * 0x1p-53) / lengths
  }
}
