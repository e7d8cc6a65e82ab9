import NormGenIR

extension Tensor {
  /// The error of an argument that must be finite and at least 0, such as epsilon.
  func numberError(
    _ value: Float, _ label: String, of function: String, _ fileID: String, _ line: UInt
  ) -> GraphError? {
    guard !(value.isFinite && value >= 0) else { return nil }
    return node.error
      ?? GraphError(
        .argument(label, of: function, expected: "a finite number of at least 0", found: value),
        at: TensorNode.place ?? SourceLocation(fileID: fileID, line: line))
  }
}

extension Normalization {
  /// A normalization whose tensors carry an error.
  static func failed(_ error: GraphError) -> Normalization {
    let tensor = Tensor(failed: error)
    return Normalization(output: tensor, mean: nil, inverseDeviation: tensor)
  }
}
