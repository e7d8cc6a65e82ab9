internal import Foundation
internal import NormGenMeasure

/// Measured quantities in words.
enum Quantity {
  /// A number with a fixed number of decimals.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// A median with its quartiles in brackets.
  static func spread(_ spread: Spread, _ digits: Int) -> String {
    decimal(spread.median, digits) + " " + quartiles(spread, digits)
  }

  /// A time with three digits and a unit.
  static func time(_ seconds: Double) -> String {
    let unit = TimeUnit.of(seconds)
    return decimal(seconds * unit.perSecond, unit.digits) + " " + unit.name
  }

  /// A median time with its quartiles in brackets.
  static func times(_ seconds: Spread) -> String {
    let unit = TimeUnit.of(seconds.median)
    return time(seconds.median) + " "
      + quartiles(seconds, unit.digits, scale: unit.perSecond)
  }

  private static func quartiles(
    _ spread: Spread, _ digits: Int, scale: Double = 1
  ) -> String {
    "(" + decimal(spread.lowerQuartile * scale, digits) + "–"
      + decimal(spread.upperQuartile * scale, digits) + ")"
  }

  /// The unit in which a time has three digits.
  private struct TimeUnit {
    let name: String
    let perSecond: Double
    let digits: Int

    static func of(_ seconds: Double) -> TimeUnit {
      for (factor, name) in [(1e9, "ns"), (1e6, "µs"), (1e3, "ms")] {
        let value = seconds * factor
        if value < 999.5 {
          return TimeUnit(
            name: name, perSecond: factor, digits: value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
        }
      }
      return TimeUnit(name: "s", perSecond: 1, digits: 2)
    }
  }

  /// A number of bytes in powers of 1024.
  static func bytes(_ count: Int) -> String {
    if count >= 1 << 20, count % (1 << 20) == 0 { return "\(count >> 20) MiB" }
    return count >= 1 << 10 ? "\(count >> 10) KiB" : "\(count) B"
  }
}
