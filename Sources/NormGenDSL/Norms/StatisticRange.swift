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

  /// The root of a variance of `row` as a divisor that epsilon keeps from zero.
  ///
  /// A row with a scale below 1 may be constant. Then its variance is 0, and ε · s · s may underflow
  /// where √ε · s does not: epsilon alone is taken as √ε · s, and kept in the normal range. Any other
  /// variance of such a row is far above what underflows, and where s is 1 the bits are those
  /// without a scale.
  func deviation(
    _ variance: Tensor, _ epsilon: Float, _ placement: RMSNormSemantics.EpsilonPlacement
  ) -> Tensor {
    let kept = self.epsilon(epsilon, placement)
    guard let scale, epsilon > 0 else { return variance.root(keptFromZeroBy: kept, placement) }
    let least = Tensor.constant(.leastNonzeroMagnitude)
    let normal = Float.leastNormalMagnitude
    switch placement {
    case .inside:
      // The root is not of 0, whose derivative is infinite.
      let root = (variance + kept).maximum(least).squareRoot()
      let alone = (epsilon.squareRoot() * scale).maximum(.constant(normal))
      return least.select(ifGreaterThan: variance, alone, else: root)
    case .outside, .maximum:
      return variance.root(
        keptFromZeroBy: kept.maximum(.constant(min(epsilon, normal))), placement)
    case .none: return variance.root(keptFromZeroBy: kept, placement)
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

/// A row about its mean.
struct RowMoments {
  /// The mean, as well as one Float32 holds it.
  let mean: Tensor
  let centred: Tensor
  let variance: Tensor
}

extension RangedRow {
  func moments(
    over window: StatisticWindow, _ centring: LayerNormSemantics.Centring, _ fileID: String,
    _ line: UInt
  ) -> RowMoments {
    let mean = row.mean(over: window, fileID: fileID, line: line).named(name("mean_x"))
    switch centring {
    case .plain:
      let centred = (row - mean).named("centred")
      let variance = (centred * centred).mean(over: window, fileID: fileID, line: line)
      return RowMoments(mean: mean, centred: centred, variance: variance.named(name("variance")))
    case .corrected:
      let shifted = (row - mean).named("shifted")
      let square = (shifted * shifted).mean(over: window, fileID: fileID, line: line)
        .named(name("mean_square"))
      let correction = shifted.mean(over: window, fileID: fileID, line: line)
        .named(name("mean_shifted"))
      let variance = (-correction).multiplyAdd(correction, square).maximum(.constant(0))
      return RowMoments(
        mean: (mean + correction).named(name("corrected_mean")),
        centred: (shifted - correction).named("centred"),
        variance: variance.named(name("variance")))
    }
  }
}

extension RMSNormSemantics.EpsilonPlacement {
  /// Whether epsilon alone is a divisor whose reciprocal Float32 does not hold: it stands outside of
  /// the root, and is denormal. The root of any epsilon has a reciprocal.
  func overflowsReciprocal(of epsilon: Float) -> Bool {
    switch self {
    case .inside, .none: false
    case .outside, .maximum: epsilon > 0 && epsilon < .leastNormalMagnitude
    }
  }

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
