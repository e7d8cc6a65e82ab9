extension Tensor {
  /// Batch normalization with given statistics, as in inference: (x − μ) · (g / √(σ² + ε)) + b
  /// (Ioffe and Szegedy 2015, algorithm 2).
  ///
  /// All parameters hold one number for each channel and broadcast with the value: shape [n] for
  /// rows of n channels, [channels, 1] for [rows, channels, positions].
  ///
  /// - Parameters:
  ///   - mean: The mean of each channel.
  ///   - variance: The variance of each channel.
  ///   - gain: Multiplies the normalized channel.
  ///   - shift: Added at the end, with one rounding for product and sum.
  ///   - epsilon: Added to the variance before the root; finite, at least 0.
  public func batchNorm(
    mean: Tensor, variance: Tensor, gain: Tensor? = nil, shift: Tensor? = nil,
    epsilon: Float = 1e-5, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    if let error = numberError(epsilon, "epsilon", of: "batch_norm", fileID, line) {
      return Tensor(failed: error)
    }
    return Tensor.composed("batch_norm", fileID, line) {
      let deviation = variance.root(keptFromZeroBy: .constant(epsilon), .inside).named("deviation")
      let scale = (gain.map { $0 / deviation } ?? 1 / deviation).named("scale")
      let centred = (self - mean).named("centred")
      let value = shift.map { centred.multiplyAdd(scale, $0) } ?? centred * scale
      return value.stored(as: storage)
    }
  }
}
