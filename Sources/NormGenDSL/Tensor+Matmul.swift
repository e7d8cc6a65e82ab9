public import NormGenIR

extension Tensor {
  /// The product of each row with a weight matrix: the last axis becomes the weights' other axis.
  ///
  /// - Parameters:
  ///   - weights: A value of two axes without rows: an input, or what is computed from inputs, such as
  ///     integers times their scales, or weight norm. Statistics of it run along its last axis. Computed
  ///     weights are computed once, when they are packed.
  ///   - layout: Whether the weights are stored [in, out] or [out, in].
  ///   - accumulation: The exact order of `MatmulOrder`, or the licence to use the hardware's bf16
  ///     dot product, which needs weights and a value that hold bf16 values; or exact sums of integers,
  ///     which need a value of i8 integers and weights in quantized blocks or an i8 input.
  ///   - scale: The scales of the integers beside weights in blocks, for each row one for every so many elements; see
  ///     ``quantizedRows(scaling:group:fileID:line:)``.
  public func matmul(
    _ weights: Tensor, layout: Matmul.WeightLayout = .inOut,
    accumulate accumulation: Matmul.Accumulation = .fused, scale: Tensor? = nil,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let location = SourceLocation(fileID: fileID, line: line)
    let matmul = Matmul(layout: layout, accumulation: accumulation)
    if accumulation == .int8, scale != nil, case .input(let name, .i8) = weights.node.op {
      // Whatever the scale's shape.
      return Tensor(
        failed: GraphError(.matmul(.scalesOfPlainIntegers(weights: name)), at: location))
    }
    let product = Tensor.make(
      .matmul(matmul), [self, weights] + (scale.map { [$0] } ?? []),
      storage: accumulation == .int8 ? .f32 : DType.promoted([storage, weights.storage]),
      location: location)
    guard product.node.error == nil else { return product }
    do {
      try matmul.verifyOperands(
        value: node.beneathReshapes.op,
        weights: (accumulation == .int8 ? weights.node : weights.node.beneathViews).op,
        depth: shape.rowExtent, group: scale.map { shape.rowExtent / $0.shape.elementsPerRow })
      return product
    } catch {
      return Tensor(failed: GraphError(.matmul(error), at: location))
    }
  }
}

extension TensorNode {
  /// The node whose elements this one shows under another shape, or the node itself.
  fileprivate var beneathReshapes: TensorNode {
    var node = self
    while case .reshape = node.op, let operand = node.operands.first { node = operand }
    return node
  }

  /// The node that has all elements of this one as they are.
  fileprivate var beneathViews: TensorNode {
    var node = self
    while node.op.isView, let operand = node.operands.first { node = operand }
    return node
  }
}
