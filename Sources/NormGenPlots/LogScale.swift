internal import Foundation

/// Positive numbers along an axis, equal ratios equally far apart.
package struct LogScale {
  /// The numbers at both ends.
  package let domain: ClosedRange<Double>
  /// The positions of both ends.
  private let start: Double
  private let end: Double

  /// A scale; numbers outside stand at the nearer end.
  package init(_ lower: Double, _ upper: Double, start: Double, end: Double) {
    let lower = lower.isFinite && lower > 0 ? lower : 1
    domain = lower...(upper.isFinite ? max(upper, lower * 2) : lower * 2)
    self.start = start
    self.end = end
  }

  /// Where a number stands.
  package func callAsFunction(_ value: Double) -> Double {
    let inside = min(max(value, domain.lowerBound), domain.upperBound)
    let part =
      log(inside / domain.lowerBound) / log(domain.upperBound / domain.lowerBound)
    return start + part * (end - start)
  }

  /// 1, 2 and 5 in every decade.
  package var ticks: [Double] {
    let decades =
      Int(log10(domain.lowerBound).rounded(.down))...Int(log10(domain.upperBound).rounded(.up))
    return decades.flatMap { decade in [1, 2, 5].map { $0 * pow(10, Double(decade)) } }
      .filter { domain.contains($0) }
  }

  /// A tick in words.
  package static func text(_ tick: Double) -> String {
    if tick >= 1 { return String(format: "%.0f", tick) }
    return String(format: "%.\(max(Int((-log10(tick)).rounded(.up)), 1))f", tick)
  }
}
