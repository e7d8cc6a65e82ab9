public import NormGenIR

/// What rounding to a floating-point type makes of a value beyond its range.
public enum Overflow: String, CaseIterable, Hashable, Sendable {
  /// What the type has there, as where an output is stored: infinity, or NaN in f8_e4m3.
  case unsaturated
  /// The largest finite value of the type, with the value's sign, of infinities, too.
  case saturated
}

extension Tensor {
  /// An explicit rounding point with a choice of what lies beyond the type's range.
  ///
  /// The saturating one is a composition: the value is first limited to the range, which is exact, and
  /// NaN stays NaN. Integers saturate whatever is chosen.
  public func rounded(
    to type: DType, overflow: Overflow, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    switch overflow {
    case .saturated where type.holdsFractions:
      // Every value of each type is a Float32.
      let greatest = Float(type.greatestFiniteMagnitude)
      return Tensor.composed("saturated", fileID, line) {
        minimum(.constant(greatest)).maximum(.constant(-greatest))
          .rounded(to: type, fileID: fileID, line: line)
      }
    case .saturated, .unsaturated: return rounded(to: type, fileID: fileID, line: line)
    }
  }
}
