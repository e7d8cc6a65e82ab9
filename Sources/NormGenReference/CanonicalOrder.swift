import NormGenIR

/// Sums and extrema in the order that ``SumOrder`` fixes, literally.
enum CanonicalOrder {
  /// The reduction of the terms, or of the products of two factors.
  ///
  /// - Parameter isSquare: Whether the factors are one value.
  static func reduced(
    _ factors: [[Bounded]], by reduction: Reduction, isSquare: Bool
  ) -> Bounded {
    let count = factors[0].count
    let blocks = stride(from: 0, to: count, by: SumOrder.block).map { start in
      block(factors, start..<min(start + SumOrder.block, count), by: reduction, isSquare: isSquare)
    }
    let total = blocks.dropFirst().reduce(blocks[0]) { combine($0, $1, reduction) }
    return reduction == .mean ? total / Bounded(Double(Float(count))) : total
  }

  private static func block(
    _ factors: [[Bounded]], _ range: Range<Int>, by reduction: Reduction, isSquare: Bool
  ) -> Bounded {
    var partials = [Bounded](repeating: identity(of: reduction), count: SumOrder.partials)
    for element in range {
      let partial = element % SumOrder.partials
      if factors.count == 2 {
        partials[partial] = factors[0][element].multiplyAdd(
          factors[1][element], partials[partial], isSquare: isSquare)
      } else {
        partials[partial] = combine(partials[partial], factors[0][element], reduction)
      }
    }
    var width = SumOrder.partials / 2
    while width > 0 {
      for partial in 0..<width {
        partials[partial] = combine(partials[partial], partials[partial + width], reduction)
      }
      width /= 2
    }
    return partials[0]
  }

  private static func combine(
    _ left: Bounded, _ right: Bounded, _ reduction: Reduction
  ) -> Bounded {
    switch reduction {
    case .sum, .mean: left + right
    case .max: left.maximum(right)
    case .min: left.minimum(right)
    }
  }

  private static func identity(of reduction: Reduction) -> Bounded {
    switch reduction {
    case .sum, .mean: Bounded(0)
    case .max: Bounded(-.infinity)
    case .min: Bounded(.infinity)
    }
  }
}
