import NormGenIR

extension Tensor {
  /// Integers as the numbers that their scales and zero points make of them: (q − z) · s.
  ///
  /// q − z is exact for integers of 8 bits, and the product is rounded once. So weights that are given as plain
  /// arrays have the values of ``BlockFormat/grouped(bits:group:scale:hasZeroPoints:)``; where a product reads them
  /// they are computed once, when they are packed, as Float32.
  ///
  /// - Parameters:
  ///   - scale: For each group of successive elements of the last axis one number: for q [N, K] a tensor
  ///     [N, K / group].
  ///   - zeroPoint: What is subtracted, of the same shape; nil for nothing.
  ///   - group: The elements of a group, which divide the last axis; nil for all of it, with a scale [N].
  public func dequantized(
    scale: Tensor, zeroPoint: Tensor? = nil, group: Int? = nil,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let place = TensorNode.place ?? SourceLocation(fileID: fileID, line: line)
    func failed(_ error: GraphError) -> Tensor { Tensor(failed: error) }
    for tensor in [self, scale] + (zeroPoint.map { [$0] } ?? []) {
      if let error = tensor.node.error { return failed(error) }
    }
    let terms = shape.extents.last ?? 1
    guard !shape.hasRows, !shape.extents.isEmpty, group ?? terms > 0, terms % (group ?? terms) == 0
    else { return failed(GraphError(.shape(.axisNotInGroups(group, shape)), at: place)) }
    let count = terms / (group ?? terms)
    let outer = shape.outerExtents
    let expected = Shape(hasRows: false, extents: outer + (group == nil ? [] : [count]))
    for (name, tensor) in [("scale", scale)] + (zeroPoint.map { [("zero", $0)] } ?? [])
    where tensor.shape != expected {
      return failed(
        GraphError(
          .shape(.factorsDoNotFit(name, tensor.shape, expected: expected)), at: place))
    }
    return Tensor.composed("dequantize", fileID, line) {
      func groups(of tensor: Tensor, _ extent: Int) -> Tensor {
        tensor.reshaped((outer + [count, extent]).map(Extent.fixed), fileID: fileID, line: line)
      }
      var integers = groups(of: self, terms / count)
      if let zeroPoint { integers = integers - groups(of: zeroPoint, 1) }
      return (integers * groups(of: scale, 1))
        .reshaped(shape.extents.map(Extent.fixed), fileID: fileID, line: line).stored(as: .f32)
    }
  }
}
