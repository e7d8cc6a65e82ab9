public import NormGenIR

/// A row as integers with one scale, or one for each group of elements: dynamic symmetric quantization.
public struct RowQuantization: Sendable {
  /// How an element y of a row becomes an integer, which frameworks do differently.
  ///
  /// With s the row's scale, max |y| / 127. Where s is in the normal range, from max |y| of about
  /// 1.5 · 10⁻³⁶ on, the results differ by one at most, and only where a quotient lies within a few
  /// roundings of a tie. Below it s has fewer digits than `factor` has, and below about
  /// 3.7 · 10⁻³⁷ the numbers that `reciprocal` and `factor` multiply by are ∞: every element but 0
  /// gives −128 or 127.
  public enum Scaling: String, CaseIterable, Hashable, Sendable {
    /// y / s: one rounding before the integer's.
    case division
    /// y · (1/s): one division a row, two roundings an element; `dynamic_scaled_int8_quant` of
    /// vLLM's CPU kernels.
    case reciprocal
    /// y · (127 / max |y|): as many roundings, but not those of s; `per_token_quant_int8` of
    /// SGLang, which rounds ties away from zero and keeps max |y| from zero by 1e-10.
    case factor
  }

  /// The integers, [rows, n] stored as i8.
  public let values: Tensor
  /// The scale of each row or group, [rows, 1] or [rows, n / group] stored as f32: an element is about its
  /// integer times this.
  public let scale: Tensor

  /// The product with weights in quantized blocks, of exact sums of integers; see
  /// `Matmul.Accumulation.int8`.
  ///
  /// - Parameter scaleType: The type that the scales are rounded to before.
  public func matmul(
    _ weights: Tensor, layout: Matmul.WeightLayout = .outIn, scaleType: DType = .f32,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    let scale = scaleType == .f32 ? scale : scale.rounded(to: scaleType, fileID: fileID, line: line)
    return values.matmul(
      weights, layout: layout, accumulate: .int8, scale: scale, fileID: fileID, line: line)
  }
}

extension Tensor {
  /// Dynamic symmetric quantization of the last axis to i8.
  ///
  /// The scale is s = max |y| / 127, one correctly rounded division, and an element's integer is y / s
  /// rounded to nearest, ties to even. A quotient that its roundings carry beyond 127 gives 127.
  /// A row of zeros has scale 0 and integers 0: 0/0 is NaN, which i8 stores as 0. A row with NaN
  /// has scale NaN and integers 0; one with an infinity has scale ∞, and 0 for every element. So
  /// small a row that s underflows to 0 gives −128 and 127 beside its zeros.
  ///
  /// - Parameters:
  ///   - scaling: How elements are divided by the scale.
  ///   - group: Of rows of one axis, how many successive elements have a scale of their own; nil for the
  ///     whole row.
  public func quantizedRows(
    scaling: RowQuantization.Scaling = .division, group: Int? = nil,
    fileID: String = #fileID, line: UInt = #line
  ) -> RowQuantization {
    if let group { return quantizedRows(scaling, inGroupsOf: group, fileID, line) }
    return Tensor.composed("quantize_rows", fileID, line) {
      let greatest = absolute().rowMaximum(fileID: fileID, line: line).named("abs_max")
      let scale = (greatest / 127).named("scale")
      let quotient: Tensor
      switch scaling {
      case .division: quotient = self / scale
      case .reciprocal: quotient = self * (1 / scale).named("inv_scale")
      case .factor: quotient = self * (127 / greatest).named("factor")
      }
      return RowQuantization(
        values: quotient.rounded(to: .i8, fileID: fileID, line: line),
        scale: scale.stored(as: .f32))
    }
  }

  private func quantizedRows(
    _ scaling: RowQuantization.Scaling, inGroupsOf group: Int, _ fileID: String, _ line: UInt
  ) -> RowQuantization {
    func failed(_ error: GraphError) -> RowQuantization {
      RowQuantization(values: Tensor(failed: error), scale: Tensor(failed: error))
    }
    if let error = node.error { return failed(error) }
    guard shape.hasRows, shape.extents.count == 1, group > 0, shape.rowExtent % group == 0 else {
      let place = TensorNode.place ?? SourceLocation(fileID: fileID, line: line)
      return failed(GraphError(.shape(.rowNotInGroups(group, shape)), at: place))
    }
    let count = shape.rowExtent / group
    let groups = reshaped([.rows, .fixed(count), .fixed(group)], fileID: fileID, line: line)
      .quantizedRows(scaling: scaling, fileID: fileID, line: line)
    return RowQuantization(
      values: groups.values.reshaped(
        [.rows, .fixed(shape.rowExtent)], fileID: fileID, line: line),
      scale: groups.scale.reshaped([.rows, .fixed(count)], fileID: fileID, line: line))
  }
}
