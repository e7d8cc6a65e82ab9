/// A whole number: a loop index, an offset in elements.
public indirect enum Index: Hashable, Sendable {
  /// A known number.
  case constant(Int)
  /// A loop index, a parameter or a named number.
  case variable(String)
  /// The row stride of a buffer in elements.
  case stride(String)
  /// A sum.
  case sum(Index, Index)
  /// A product.
  case product(Index, Index)
  /// A difference.
  case difference(Index, Index)
  /// A quotient, rounded down; both are positive or zero.
  case quotient(Index, Index)
  /// What such a quotient leaves.
  case remainder(Index, Index)
  /// One of two numbers.
  case choose(LoopCondition, Index, Index)
  /// Where part `part` of `parts` begins among `count` things: all take as many, and the first parts
  /// one more where some are left.
  case share(of: Index, part: Index, parts: Index)
  /// What a function of the module returns.
  case result(of: String, [Index])

  /// The sum, with constants folded.
  public static func + (left: Index, right: Index) -> Index {
    switch (left, right) {
    case (.constant(0), _): right
    case (_, .constant(0)): left
    case (.constant(let a), .constant(let b)): .constant(a + b)
    case (_, .sum(let first, let second)): left + first + second
    default: .sum(left, right)
    }
  }

  /// The product, with constants folded.
  public static func * (left: Index, right: Index) -> Index {
    switch (left, right) {
    case (.constant(0), _), (_, .constant(0)): .constant(0)
    case (.constant(1), _): right
    case (_, .constant(1)): left
    case (.constant(let a), .constant(let b)): .constant(a * b)
    case (.constant(let a), .product(.constant(let b), let factor)):
      .product(.constant(a * b), factor)
    default: .product(left, right)
    }
  }
}

extension Index {
  /// The difference.
  public static func - (left: Index, right: Index) -> Index {
    right == .constant(0) ? left : .difference(left, right)
  }

  /// The quotient, rounded down.
  public static func / (left: Index, right: Index) -> Index { .quotient(left, right) }

  /// What the quotient leaves; multiples of a known divisor leave nothing.
  public static func % (left: Index, right: Index) -> Index {
    guard case .constant(let divisor) = right else { return .remainder(left, right) }
    let rest = left.withoutMultiples(of: divisor)
    return rest == .constant(0) ? rest : .remainder(rest, right)
  }

  /// The sum without those of its terms that are multiples of a number.
  private func withoutMultiples(of divisor: Int) -> Index {
    switch self {
    case .sum(let first, let second):
      first.withoutMultiples(of: divisor) + second.withoutMultiples(of: divisor)
    case .product(.constant(let factor), _) where factor % divisor == 0: .constant(0)
    default: self
    }
  }

  /// Whether a variable occurs in it, outside of conditions.
  public func mentions(_ name: String) -> Bool {
    switch self {
    case .variable(let own): own == name
    case .constant, .stride: false
    case .sum(let a, let b), .product(let a, let b), .difference(let a, let b),
      .quotient(let a, let b), .remainder(let a, let b), .choose(_, let a, let b):
      a.mentions(name) || b.mentions(name)
    case .share(let a, let b, let c): [a, b, c].contains { $0.mentions(name) }
    case .result(_, let arguments): arguments.contains { $0.mentions(name) }
    }
  }

  /// The lesser of both.
  public static func minimum(_ left: Index, _ right: Index) -> Index {
    .choose(.less(left, right), left, right)
  }

  /// The quotient, rounded up.
  public func quotientUp(_ divisor: Int) -> Index {
    divisor == 1 ? self : (self + .constant(divisor - 1)) / .constant(divisor)
  }
}

extension Index {
  /// Whether the first is less.
  public static func < (left: Index, right: Index) -> LoopCondition { .less(left, right) }

  /// Whether the first is at most the second.
  public static func <= (left: Index, right: Index) -> LoopCondition { .atMost(left, right) }

  /// Whether the first is greater.
  public static func > (left: Index, right: Index) -> LoopCondition { .less(right, left) }
}

extension Index: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
  public init(integerLiteral value: Int) { self = .constant(value) }
  public init(stringLiteral name: String) { self = .variable(name) }
}
