import NormGen

/// What the calls of judged kernels came to.
public struct FuzzFigures: Hashable, Sendable, Codable {
  /// Calls, each of one target with one number of rows in one number of threads.
  public package(set) var calls = 0
  /// Elements that both interpreters judged.
  public package(set) var elements = 0
  /// Those among them that are computed from ``SpecialRows``.
  public package(set) var special = 0
  /// Those among them that are the oracle's value exactly.
  public package(set) var exact = 0
  /// Those about which the bound says nothing, because a result may or may not overflow.
  public package(set) var unbounded = 0
  /// How many kernels have each operation, storage type and kind of call.
  public package(set) var features: [String: Int] = [:]
  /// The greatest error / bound.
  public package(set) var worstRatio = 0.0
  /// The seed of the kernel that has it.
  public package(set) var worstSeed: UInt64?
  /// How many elements have an error / bound in each part of 0...1; the last part has no end.
  package var ratios = [Int](repeating: 0, count: FuzzFigures.parts)

  /// The parts of the distribution of error / bound.
  private static let parts = 200

  /// Figures of nothing.
  public init() {}

  /// The median of error / bound over all elements with a bound, to half a percent; nil without any.
  public var medianRatio: Double? {
    let total = ratios.reduce(0, +)
    var below = 0
    for (part, count) in ratios.enumerated() {
      below += count
      if 2 * below > total { return (Double(part) + 0.5) / Double(FuzzFigures.parts) }
    }
    return nil
  }

  /// Counts what a kernel has.
  mutating func count(_ fuzzCase: FuzzCase) {
    for feature in fuzzCase.features { features[feature, default: 0] += 1 }
  }

  /// Counts one output of one call of the kernel of `seed`.
  mutating func add(_ judgement: Judgement, of call: FuzzCall, seed: UInt64) {
    let agreement = judgement.bound
    elements += agreement.count
    if call.firstSpecial != nil { special += agreement.count }
    exact += agreement.exact
    unbounded += agreement.vacuous
    for ratio in agreement.ratios {
      let part = min(ratio, 1) * Double(FuzzFigures.parts)
      ratios[min(Int(part), FuzzFigures.parts - 1)] += 1
    }
    if let worst = agreement.worst, worst.ratio > worstRatio {
      worstRatio = worst.ratio
      worstSeed = seed
    }
  }

  /// Adds the figures of other kernels.
  mutating func add(_ other: FuzzFigures) {
    calls += other.calls
    elements += other.elements
    exact += other.exact
    unbounded += other.unbounded
    special += other.special
    features.merge(other.features, uniquingKeysWith: +)
    for part in ratios.indices where other.ratios.indices.contains(part) {
      ratios[part] += other.ratios[part]
    }
    if other.worstRatio > worstRatio {
      worstRatio = other.worstRatio
      worstSeed = other.worstSeed
    }
  }
}
