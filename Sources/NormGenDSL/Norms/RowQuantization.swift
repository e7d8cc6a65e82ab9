import NormGenIR

/// A row as integers with one scale, dynamic symmetric quantization.
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
  /// The scale of each row, [rows, 1] stored as f32: an element is about its integer times this.
  public let scale: Tensor
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
  /// - Parameter scaling: How elements are divided by the scale.
  public func quantizedRows(
    scaling: RowQuantization.Scaling = .division, fileID: String = #fileID, line: UInt = #line
  ) -> RowQuantization {
    Tensor.composed("quantize_rows", fileID, line) {
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
}
