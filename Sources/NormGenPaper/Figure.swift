private import Foundation

/// Measured numbers in words.
enum Figure {
  /// A number with so many digits in all.
  static func digits(_ value: Double, _ count: Int = 3) -> String {
    String(format: "%.\(count)g", value)
  }

  /// A number with a fixed number of decimals.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// A part of one in percent.
  static func percent(_ part: Double, _ digits: Int) -> String {
    decimal(100 * part, digits) + " %"
  }

  /// A fraction of a row in percent, as short as it is exact.
  static func fraction(_ part: Double) -> String {
    var text = decimal(100 * part, 2)
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text + " %"
  }
}
