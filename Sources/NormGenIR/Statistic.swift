/// How the terms of a row are combined into one number.
public enum Reduction: String, CaseIterable, Sendable, Hashable {
  /// Σ term, in the canonical order of ``SumOrder``.
  case sum
  /// The sum divided by the number of terms, one correctly rounded division.
  case mean
  /// The largest term; NaN if any term is NaN.
  case max
  /// The smallest term; NaN if any term is NaN.
  case min

  /// The operation that joins two partial results.
  public var combination: ElementwiseOp {
    switch self {
    case .sum, .mean: .add
    case .max: .maximum
    case .min: .minimum
    }
  }

  /// What a partial result begins with.
  public var identity: Float {
    switch self {
    case .sum, .mean: 0
    case .max: -.infinity
    case .min: .infinity
    }
  }

  /// Whether the terms are added up; else the extreme of them is taken.
  public var isSum: Bool { combination == .add }
}

/// The leading part of a row that a statistic looks at.
public enum StatisticWindow: Hashable, Sendable {
  /// The whole row.
  case all
  /// The first `count` elements.
  case leadingCount(Int)
  /// The first p·n of n elements, rounded to a whole number as stated.
  ///
  /// The paper's equation takes ⌈n·p⌉ (`.up`), its published code ⌊n·p⌋ (`.down`). The product is
  /// formed in Float64.
  case leadingFraction(Double, FractionRounding)

  /// The first `count` elements.
  public static func leading(count: Int) -> StatisticWindow { .leadingCount(count) }

  /// The first `fraction` of the row, 0 < fraction ≤ 1.
  public static func leading(
    fraction: Double, rounding: FractionRounding = .up
  ) -> StatisticWindow {
    .leadingFraction(fraction, rounding)
  }

  /// How a fraction of a row becomes a number of elements.
  public enum FractionRounding: String, CaseIterable, Hashable, Sendable {
    /// ⌈n·p⌉, equation 5 of the paper.
    case up
    /// ⌊n·p⌋, the paper's published code.
    case down
  }

  /// The number of elements selected from a row of `rowExtent`.
  ///
  /// - Throws: ``ShapeError/windowOutsideRow(_:rowExtent:)`` unless it lies in 1...rowExtent.
  public func count(in rowExtent: Int) throws(ShapeError) -> Int {
    let count: Int
    switch self {
    case .all: return rowExtent
    case .leadingCount(let leading): count = leading
    case .leadingFraction(let fraction, let rounding):
      let product = Double(rowExtent) * fraction
      guard product.isFinite, product > 0, product <= Double(rowExtent) else {
        throw .windowOutsideRow(self, rowExtent: rowExtent)
      }
      switch rounding {
      case .up: count = Int(product.rounded(.up))
      case .down: count = Int(product.rounded(.down))
      }
    }
    guard (1...rowExtent).contains(count) else {
      throw .windowOutsideRow(self, rowExtent: rowExtent)
    }
    return count
  }
}

extension StatisticWindow: CustomStringConvertible {
  /// The window as the text form's arguments; empty for `.all`.
  public var description: String {
    switch self {
    case .all: ""
    case .leadingCount(let count): "leading: \(count)"
    case .leadingFraction(let fraction, let rounding):
      "fraction: \(fraction), rounding: \(rounding)"
    }
  }
}

/// A reduction over a window of the row axis.
///
/// With one operand the term is the operand; with two operands the term is their product, and a
/// sum accumulates it by one fused multiply-add per element.
public struct Statistic: Hashable, Sendable {
  /// How the terms are combined.
  public let reduction: Reduction
  /// Which part of the row is read.
  public let window: StatisticWindow

  /// Creates a statistic.
  public init(_ reduction: Reduction, over window: StatisticWindow = .all) {
    self.reduction = reduction
    self.window = window
  }
}

/// The canonical order of every sum: a property of the graph, never of a schedule.
///
/// A row is cut into blocks of ``block`` elements. Inside a block, element i is accumulated into
/// partial i mod ``partials``, in increasing i, starting from +0. The partials are combined by a
/// pairwise tree: for s = 32, 16, 8, 4, 2, 1, partial j += partial j+s for j < s. Block results are
/// added in increasing order. Maximum and minimum are combined in the same order.
public enum SumOrder {
  /// Interleaved partial results inside a block.
  public static let partials = 64
  /// Elements of a block.
  public static let block = 4096
}
