extension FuzzTotals {
  /// What shows that no run has these totals, such as a negative count; nil if one may have them.
  ///
  /// Totals that are read from a file are added to: counts within these limits overflow in no run.
  public var fault: String? {
    if let fault = FuzzFigures.fault(of: graphs, "graphs") { return fault }
    if let fault = FuzzFigures.fault(of: refused, "refused") { return fault }
    let others = failed.count + unjudged.count + refused.values.reduce(0, +)
    guard others <= graphs else {
      return "\(others) kernels that failed, were refused or not judged among \(graphs)"
    }
    return figures.fault
  }
}

extension FuzzFigures {
  /// More than a run can count in a century; so many of them can be added.
  private static let greatestCount = 1 << 44
  /// Many times the names that there are.
  private static let mostNames = 1 << 14

  fileprivate var fault: String? {
    let counts = [
      ("calls", calls), ("elements", elements), ("special", special), ("exact", exact),
      ("unbounded", unbounded),
    ]
    for (name, count) in counts {
      if let fault = FuzzFigures.fault(of: count, name) { return fault }
    }
    if let fault = FuzzFigures.fault(of: features, "features") { return fault }
    guard ratios.count == FuzzFigures().ratios.count else {
      return "'ratios' of \(ratios.count) numbers"
    }
    for count in ratios {
      if let fault = FuzzFigures.fault(of: count, "ratios") { return fault }
    }
    return worstRatio >= 0 && worstRatio.isFinite ? nil : "'worstRatio' of \(worstRatio)"
  }

  fileprivate static func fault(of counts: [String: Int], _ name: String) -> String? {
    guard counts.count <= mostNames else { return "'\(name)' of \(counts.count) names" }
    return counts.sorted { $0.key < $1.key }.lazy.compactMap { fault(of: $0.value, name) }.first
  }

  fileprivate static func fault(of count: Int, _ name: String) -> String? {
    (0...greatestCount).contains(count) ? nil : "'\(name)' of \(count)"
  }
}
