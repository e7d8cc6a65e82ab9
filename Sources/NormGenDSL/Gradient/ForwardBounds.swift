import NormGenIR

/// What is known of a value before any input is.
///
/// Derivatives are infinite at the root of 0, at poles and where exponentials overflow. A gradient that
/// is 0 there must stay 0, which a product with infinity does not; where none of this can be, the
/// derivation needs no care and the kernel no further step.
struct ForwardBound {
  /// The power of the inputs that the value grows as at most, 0 for one between fixed limits; nil for
  /// one that may be infinite or NaN for inputs of ordinary size.
  var growth: Int?
  /// What the value is not below, NaN aside; nil for nothing that is at least 0.
  var least: Float?

  /// Whether a product with the value may be NaN or infinite although its other factors are of
  /// ordinary size.
  var isTame: Bool { growth.map { $0 <= 1 } ?? false }
  /// Whether 1/value is finite.
  var hasReciprocal: Bool { (least ?? 0) >= .leastNormalMagnitude }

  /// The bound of 1/value.
  var reciprocal: ForwardBound {
    ForwardBound(growth: hasReciprocal ? 0 : nil, least: least == nil ? nil : 0)
  }

  /// A number between -1 and 1.
  static let slope = ForwardBound(growth: 0, least: nil)
}

/// The bounds of a graph's values.
struct ForwardBounds {
  private var bounds: [ForwardBound] = []

  init(_ graph: Graph) {
    for id in graph.values {
      let node = graph[id]
      let operands = node.operands.map { bounds[$0.index] }
      let isSquare = node.operands.count >= 2 && node.operands[0] == node.operands[1]
      bounds.append(Self.bound(of: node.op, operands, isSquare: isSquare))
    }
  }

  subscript(id: ValueID) -> ForwardBound { bounds[id.index] }

  private static func bound(
    of op: Op, _ operands: [ForwardBound], isSquare: Bool
  ) -> ForwardBound {
    switch op {
    case .input, .dequantize: return ForwardBound(growth: 1, least: nil)
    case .constant(let bits):
      let value = Float(bitPattern: bits)
      return ForwardBound(growth: value.isFinite ? 0 : nil, least: value >= 0 ? value : nil)
    case .elementwise(let op): return bound(of: op, operands, isSquare: isSquare)
    case .statistic(let statistic):
      guard statistic.reduction.isSum else { return operands[0] }
      guard operands.count == 2 else {
        return ForwardBound(growth: operands[0].growth, least: operands[0].least.map { _ in 0 })
      }
      return product(operands[0], operands[1], isSquare: isSquare)
    case .reshape, .columns: return operands[0]
    // What rounding may flush to 0, and the zeros behind the window.
    case .convert, .leadingPart:
      return ForwardBound(growth: operands[0].growth, least: operands[0].least.map { _ in 0 })
    case .concatenate: return either(operands)
    case .matmul, .rowSum, .outerSum:
      let growths = operands.map(\.growth)
      let growth = growths.reduce(0 as Int?) { sum, growth in
        sum.flatMap { s in growth.map { s + $0 } }
      }
      return ForwardBound(growth: growth, least: nil)
    }
  }

  private static func bound(
    of op: ElementwiseOp, _ operands: [ForwardBound], isSquare: Bool
  ) -> ForwardBound {
    let first = operands[0]
    switch op {
    case .add: return sum(first, operands[1])
    case .subtract: return ForwardBound(growth: either(operands).growth, least: nil)
    case .negate: return ForwardBound(growth: first.growth, least: nil)
    case .multiply: return product(first, operands[1], isSquare: isSquare)
    case .multiplyAdd: return sum(product(first, operands[1], isSquare: isSquare), operands[2])
    case .divide: return product(first, operands[1].reciprocal, isSquare: false)
    case .absolute: return ForwardBound(growth: first.growth, least: first.least ?? 0)
    case .binade:
      let least = first.least ?? 0
      return ForwardBound(growth: first.growth, least: least > 0 ? least.binade : 0)
    case .squareRoot:
      guard let least = first.least else { return ForwardBound(growth: nil, least: 0) }
      return ForwardBound(growth: first.growth.map { ($0 + 1) / 2 }, least: least.squareRoot())
    case .maximum:
      return ForwardBound(
        growth: either(operands).growth, least: operands.compactMap(\.least).max())
    case .minimum: return either(operands)
    case .selectGreater: return either(Array(operands.suffix(2)))
    case .exp: return ForwardBound(growth: nil, least: 0)
    case .log: return ForwardBound(growth: nil, least: nil)
    case .tanh, .erf:
      return ForwardBound(
        growth: first.growth.map { _ in 0 }, least: first.least.map { _ in 0 })
    case .sigmoid: return ForwardBound(growth: first.growth.map { _ in 0 }, least: 0)
    }
  }

  private static func sum(_ left: ForwardBound, _ right: ForwardBound) -> ForwardBound {
    let least = left.least.flatMap { l in right.least.map { l + $0 } }
    return ForwardBound(growth: either([left, right]).growth, least: least)
  }

  /// Products of positive numbers may underflow to 0.
  private static func product(
    _ left: ForwardBound, _ right: ForwardBound, isSquare: Bool
  ) -> ForwardBound {
    let isPositive = isSquare || (left.least != nil && right.least != nil)
    return ForwardBound(
      growth: left.growth.flatMap { l in right.growth.map { l + $0 } }, least: isPositive ? 0 : nil)
  }

  /// What holds for each of several values.
  private static func either(_ bounds: [ForwardBound]) -> ForwardBound {
    bounds.dropFirst().reduce(bounds[0]) { known, bound in
      ForwardBound(
        growth: known.growth.flatMap { k in bound.growth.map { max(k, $0) } },
        least: known.least.flatMap { k in bound.least.map { min(k, $0) } })
    }
  }
}
