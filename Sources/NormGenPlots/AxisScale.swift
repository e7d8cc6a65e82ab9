internal import Foundation

/// Numbers along an axis, with round ticks.
package struct AxisScale {
  private let isLogarithmic: Bool
  private let domain: ClosedRange<Double>
  private let start: Double
  private let end: Double

  /// A scale that holds `values`: from zero on if they lie near it, in whole decades if
  /// logarithmic.
  package init(_ values: [Double], isLogarithmic: Bool, start: Double, end: Double) {
    self.isLogarithmic = isLogarithmic
    self.start = start
    self.end = end
    let usable = values.filter { $0.isFinite && (!isLogarithmic || $0 > 0) }
    let (least, greatest) = (usable.min() ?? 0, usable.max() ?? 1)
    if isLogarithmic {
      let lower = usable.isEmpty ? 0 : log10(least).rounded(.down)
      let upper = usable.isEmpty ? 1 : log10(greatest).rounded(.up)
      domain = lower...max(upper, lower + 1)
      return
    }
    let step = AxisScale.step(max(greatest - min(least, 0), greatest - least, 1e-300))
    let lower =
      least > 0 && least > greatest / 2 ? (least / step).rounded(.down) * step : min(least, 0)
    let upper = (greatest / step).rounded(.up) * step
    domain = lower...(upper > lower ? upper : lower + 1)
  }

  /// Whether a number has a place on the axis.
  package func holds(_ value: Double) -> Bool { value.isFinite && (!isLogarithmic || value > 0) }

  /// Where a number stands.
  package func callAsFunction(_ value: Double) -> Double {
    let place = isLogarithmic ? log10(value) : value
    let part = (place - domain.lowerBound) / (domain.upperBound - domain.lowerBound)
    return start + part * (end - start)
  }

  /// Round numbers inside.
  package var ticks: [Double] {
    let length = domain.upperBound - domain.lowerBound
    let step = isLogarithmic ? max((length / 6).rounded(.up), 1) : AxisScale.step(length)
    let first = (domain.lowerBound / step).rounded(.up)
    let count = Int(((domain.upperBound / step).rounded(.down) - first).clamped(to: 0...20))
    return (0...count).map { (first + Double($0)) * step }.map { isLogarithmic ? pow(10, $0) : $0 }
  }

  /// A tick in words.
  package func text(_ tick: Double) -> String { String(format: "%.4g", tick + 0) }

  /// 1, 2 or 5 times a power of ten: four to ten steps for a length.
  private static func step(_ length: Double) -> Double {
    let power = pow(10, log10(length / 5).rounded(.down))
    let rest = length / 5 / power
    return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10)
  }
}

extension Double {
  fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
    isNaN ? range.lowerBound : min(max(self, range.lowerBound), range.upperBound)
  }
}
