extension Bounded {
  /// The greatest power of two up to the magnitude; exact unless the kernel's value may lie on both
  /// sides of one.
  func binade() -> Bounded {
    if isCertainlyNaN { return Bounded(.nan) }
    let power = Bounded.binade(of: abs(value))
    if isVacuous { return Bounded(power, error: .infinity) }
    guard value.isFinite else { return Bounded(power) }
    let least = Bounded.binade(of: Swift.max(abs(value) - error, floor, 0))
    let greatest = Bounded.binade(of: abs(value) + error)
    return Bounded(power, error: Swift.max(greatest - power, power - least)).notBelow(least)
  }

  /// The greatest power of two up to a magnitude that Float32 holds; 0 below the least one.
  private static func binade(of magnitude: Double) -> Double {
    if magnitude < 0x1p-149 { return 0 }
    return magnitude >= 0x1p127 ? 0x1p127 : magnitude.binade
  }
}
