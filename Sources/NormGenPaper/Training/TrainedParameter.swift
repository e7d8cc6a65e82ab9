import NormGen

/// A parameter's name, extents and how it is drawn.
struct TrainedParameter {
  let name: String
  let count: Int
  /// The center of what is drawn.
  let center: Double
  /// The greatest distance from it; 0 for a fixed number.
  let width: Double

  /// A matrix drawn evenly from ±√(3 / rows), so that it keeps the square of what it multiplies.
  static func matrix(_ name: String, _ rows: Int, _ columns: Int, fanIn: Int? = nil)
    -> TrainedParameter
  {
    TrainedParameter(
      name: name, count: rows * columns, center: 0,
      width: (3 / Double(fanIn ?? rows)).squareRoot())
  }

  /// A vector of one number.
  static func vector(_ name: String, _ count: Int, _ value: Double) -> TrainedParameter {
    TrainedParameter(name: name, count: count, center: value, width: 0)
  }
}

/// Parameters with their gradients and speeds: stochastic gradient descent with momentum.
final class ParameterState {
  let values: [String: Area]
  let gradients: [String: Area]
  private let speeds: [String: Area]
  private let names: [String]

  static let momentum: Float = 0.9

  /// Draws the parameters, one number after the other.
  init(_ parameters: [TrainedParameter], seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var values: [String: Area] = [:]
    for parameter in parameters {
      let area = Area(parameter.count)
      for index in 0..<parameter.count {
        area.numbers[index] =
          parameter.width == 0
          ? Float(parameter.center)
          : Float(parameter.center + parameter.width * (2 * random.uniform() - 1))
      }
      values[parameter.name] = area
    }
    self.values = values
    gradients = values.mapValues { Area($0.numbers.count) }
    speeds = values.mapValues { Area($0.numbers.count) }
    names = parameters.map(\.name)
  }

  func clearGradients() {
    for area in gradients.values { area.clear() }
  }

  /// v ← 0.9 · v + g, then w ← w − rate · v.
  func descend(rate: Float) {
    for name in names {
      guard let value = values[name], let gradient = gradients[name], let speed = speeds[name]
      else { continue }
      for index in value.numbers.indices {
        speed.numbers[index] = Self.momentum * speed.numbers[index] + gradient.numbers[index]
        value.numbers[index] -= rate * speed.numbers[index]
      }
    }
  }
}
