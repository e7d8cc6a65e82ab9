public import NormGenIR

extension Tensor {
  /// Division of the last axis by its Euclidean length (the paper's ablation; ggml's l2_norm).
  ///
  /// - Parameters:
  ///   - gain: Multiplies the normalized row.
  ///   - epsilon: Keeps the length from zero; finite, at least 0.
  ///   - epsilonPlacement: `.maximum` (ggml: x / max(√Σx², ε)), `.inside`, `.outside` or `.none`.
  ///   - statistics: The window that the length is taken of.
  ///   - range: `.scaled` takes the length of rows of any size without overflow.
  public func l2Norm(
    gain: Tensor? = nil, epsilon: Float = 1e-12,
    epsilonPlacement: RMSNormSemantics.EpsilonPlacement = .maximum,
    statistics: StatisticWindow = .all, range: StatisticRange = .plain,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    if let error = numberError(epsilon, "epsilon", of: "l2_norm", fileID, line) {
      return Tensor(failed: error)
    }
    return Tensor.composed("l2_norm", fileID, line) {
      let ranged = ranged(
        range, over: statistics, floor: epsilonPlacement.floor(epsilon), fileID, line)
      let square = ranged.row * ranged.row
      let sumSquare = square.sum(over: statistics, fileID: fileID, line: line)
        .named(ranged.name("sum_square"))
      let length = sumSquare.root(
        keptFromZeroBy: ranged.epsilon(epsilon, epsilonPlacement), epsilonPlacement)
      let inverse = (1 / length).named(ranged.name("inv_length"))
      let value = ranged.row * inverse
      guard let gain else { return value }
      return (value * gain).stored(as: resultStorage)
    }
  }
}
