import NormGenIR

extension Tensor {
  /// Σ over all rows, in the order of `RowSumOrder`: one result for the whole call, without rows.
  ///
  /// If the tensor is a product, each term is accumulated by one fused multiply-add. Without rows the
  /// sum is +0. Such a value can be an output of the kernel, reshaped or not.
  ///
  /// - Parameter keptAxes: The last fixed axes that the result keeps; those before them are summed
  ///   like rows. All of them by default.
  public func sumOverRows(
    keeping keptAxes: Int? = nil, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    rowSum(.sum, keptAxes, SourceLocation(fileID: fileID, line: line))
  }

  /// The sum over all rows divided by the number of terms, one correctly rounded division.
  ///
  /// - Parameter keptAxes: As in ``sumOverRows(keeping:fileID:line:)``.
  public func meanOverRows(
    keeping keptAxes: Int? = nil, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    rowSum(.mean, keptAxes, SourceLocation(fileID: fileID, line: line))
  }

  /// Σ over all rows of the products of each element with each of `other`: the matrix
  /// [own extent, other's extent], in the order of `RowSumOrder`.
  ///
  /// It is the gradient of a matmul's weights [in, out], with the matmul's value and the gradient of
  /// its result.
  public func outerSum(
    with other: Tensor, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    Tensor.make(
      .outerSum, [self, other], storage: DType.promoted([storage, other.storage]),
      location: SourceLocation(fileID: fileID, line: line))
  }

  func rowSum(
    _ aggregate: RowSum.Aggregate, _ keptAxes: Int?, _ location: SourceLocation
  ) -> Tensor {
    let op = Op.rowSum(RowSum(aggregate, keeping: keptAxes ?? max(shape.extents.count, 1)))
    var terms = [self]
    if node.error == nil, case .elementwise(.multiply) = node.op {
      terms = node.operands.map { Tensor(node: $0, storage: nil) }
    }
    return Tensor.make(op, terms, storage: storage, location: location)
  }
}
