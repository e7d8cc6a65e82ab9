extension Tensor {
  /// The weights of one unit by length and direction: w · (g / ‖w‖) along the last axis (Salimans
  /// and Kingma 2016).
  ///
  /// It normalizes weights, not activations: weights of shape [out, in] in front of a
  /// ``matmul(_:layout:accumulate:fileID:line:)`` with layout `.outIn`, where they are normalized once,
  /// when they are packed; or [rows, in] in a kernel of its own. As in its source there is no epsilon; a
  /// unit of zeros gives NaN.
  ///
  /// - Parameter gain: The length of each unit's weights; shape [out, 1] or [rows, 1].
  public func weightNorm(
    gain: Tensor? = nil, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    Tensor.composed("weight_norm", fileID, line) {
      let square = self * self
      let length = square.sum(fileID: fileID, line: line).named("sum_square").squareRoot()
      let scale = (gain.map { $0 / length } ?? 1 / length).named("scale")
      return (self * scale).stored(as: storage)
    }
  }
}
