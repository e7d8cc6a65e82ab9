import NormGenIR

/// What a norm takes its statistics of: the row itself, or the row brought into a range where their
/// squares neither overflow nor underflow.
public enum StatisticRange: String, CaseIterable, Hashable, Sendable {
  /// The row itself: Σx² overflows Float32 from elements of about 1.8 · 10¹⁹ on, and underflows
  /// below about 10⁻¹⁹.
  case plain
  /// The row times a power of two, which brings the larger of its greatest magnitude in the window
  /// and the least divisor that epsilon permits to 2⁻³² at least and below 2³³. The power is 1 for
  /// what lies there already, and the result has the bits of ``plain`` wherever that neither
  /// overflows nor underflows. It costs a pass for the greatest magnitude.
  case scaled
}

/// A row as a norm's statistics take it.
struct RangedRow {
  /// The row, or the row times `scale`.
  let row: Tensor
  /// A power of two, one number a row; nil for 1.
  let scale: Tensor?

  /// Epsilon in the units of the statistics of `row`.
  func epsilon(
    _ epsilon: Float, _ placement: RMSNormSemantics.EpsilonPlacement
  ) -> Tensor {
    guard let scale else { return .constant(epsilon) }
    switch placement {
    case .inside: return (epsilon * scale) * scale
    case .outside, .maximum, .none: return epsilon * scale
    }
  }

  /// The factor of the unscaled row that is `factor` of `row`.
  func unscaled(factor: Tensor, _ name: String) -> Tensor {
    scale.map { (factor * $0).named(name) } ?? factor
  }

  /// The value of the unscaled row that is `value` in `row`.
  func unscaled(value: Tensor, _ name: String) -> Tensor {
    scale.map { (value / $0).named(name) } ?? value
  }

  /// The name of a value of `row`, which is that of the unscaled one if there is no scale.
  func name(_ name: String) -> String { scale == nil ? name : "\(name)_scaled" }
}

extension Tensor {
  /// The row in the range that its statistics over a window ask for.
  ///
  /// - Parameter floor: What the divisor is not below.
  func ranged(
    _ range: StatisticRange, over window: StatisticWindow, floor: Float, _ fileID: String,
    _ line: UInt
  ) -> RangedRow {
    switch range {
    case .plain: return RangedRow(row: self, scale: nil)
    case .scaled:
      let greatest = absolute().rowMaximum(over: window, fileID: fileID, line: line)
        .named("abs_max")
      let power = greatest.maximum(.constant(floor)).binade().named("abs_max_binade")
      // The power of two nearest to 1 that brings the binade between 2⁻³² and 2³².
      let scale = (0x1p-32 / power).maximum(.constant(1)).minimum(0x1p32 / power)
        .named("range_scale")
      return RangedRow(row: (self * scale).named("scaled"), scale: scale)
    }
  }
}

extension RMSNormSemantics.EpsilonPlacement {
  /// A positive number that the divisor is not below, at most 1: where epsilon rules, small rows need
  /// no scale, and none that elements outside of the window would overflow by.
  func floor(_ epsilon: Float) -> Float {
    let least = Float.leastNonzeroMagnitude
    let divisor: Float
    switch self {
    case .inside: divisor = epsilon.squareRoot()
    case .outside, .maximum: divisor = epsilon
    case .none: divisor = 0
    }
    return divisor > least ? min(divisor, 1) : least
  }
}
