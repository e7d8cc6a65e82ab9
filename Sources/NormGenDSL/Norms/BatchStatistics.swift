import NormGenIR

extension Tensor {
  /// The mean of each channel over the batch: over all rows, and over the positions of
  /// [rows, channels, positions].
  ///
  /// Rows of one axis are channels; of rows with several axes the last one holds positions, whose
  /// means are taken first. The shape is that of the parameters of
  /// ``batchNorm(mean:variance:gain:shift:epsilon:fileID:line:)``: [channels] or [channels, 1].
  public func batchMean(fileID: String = #fileID, line: UInt = #line) -> Tensor {
    Tensor.composed("batch_mean") { meanOfPositionsAndRows(fileID, line) }
  }

  /// The biased variance of each channel over the batch, mean((x − μ)²): a second pass, which
  /// neither cancels nor turns negative.
  ///
  /// - Parameter mean: ``batchMean(fileID:line:)`` of the same tensor. It is a value over all rows,
  ///   so a compiled kernel takes it as an input that an earlier kernel wrote.
  public func batchVariance(
    mean: Tensor, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    Tensor.composed("batch_variance") {
      let centred = (self - mean).named("centred")
      return (centred * centred).stored(as: storage).meanOfPositionsAndRows(fileID, line)
    }
  }

  private func meanOfPositionsAndRows(_ fileID: String, _ line: UInt) -> Tensor {
    let perRow = shape.extents.count > 1 ? mean(over: .all, fileID: fileID, line: line) : self
    return perRow.meanOverRows(fileID: fileID, line: line)
  }
}
