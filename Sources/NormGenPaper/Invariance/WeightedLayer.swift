import NormGen

/// Weights and samples of one layer, before and after a change of Table 1.
struct WeightedLayer {
  /// The changed sample and the changed unit; the unit lies in every partial window.
  static let sample = 2
  static let unit = 3

  let inputs: Int
  let units: Int
  let samples: Int
  /// [units, inputs].
  private(set) var weights: [Float]
  /// [samples, inputs].
  private(set) var data: [Float]

  /// A seeded layer whose summed inputs have deviation 1.
  init(inputs: Int, units: Int, samples: Int, random: inout SeededGenerator) {
    self.inputs = inputs
    self.units = units
    self.samples = samples
    let deviation = 1 / Double(inputs).squareRoot()
    weights = (0..<units * inputs).map { _ in Float(random.normal() * deviation) }
    data = (0..<samples * inputs).map { _ in Float(random.normal()) }
  }

  /// The layer after a change.
  ///
  /// - Parameters:
  ///   - factor: δ.
  ///   - offset: γ, for weights or for data.
  func changed(_ change: InvarianceChange, factor: Float, offset: [Float]) -> WeightedLayer {
    var layer = self
    switch change {
    case .scaledWeights: layer.weights = weights.map { $0 * factor }
    case .scaledData: layer.data = data.map { $0 * factor }
    case .scaledUnit:
      for place in Self.unit * inputs..<(Self.unit + 1) * inputs { layer.weights[place] *= factor }
    case .scaledSample:
      for place in Self.sample * inputs..<(Self.sample + 1) * inputs { layer.data[place] *= factor }
    case .shiftedWeights:
      for place in weights.indices { layer.weights[place] += offset[place % inputs] }
    case .shiftedData:
      for place in data.indices { layer.data[place] += offset[place % inputs] }
    }
    return layer
  }

  /// The summed inputs a = xWᵀ in Float64, [samples, units].
  var summedInputs: [Double] {
    var sums: [Double] = []
    sums.reserveCapacity(samples * units)
    for sample in 0..<samples {
      for unit in 0..<units { sums.append(product(sample: sample, unit: unit)) }
    }
    return sums
  }

  private func product(sample: Int, unit: Int) -> Double {
    var sum = 0.0
    for input in 0..<inputs {
      sum += Double(data[sample * inputs + input]) * Double(weights[unit * inputs + input])
    }
    return sum
  }

  /// The summed inputs of a changed layer as scale · a + shift of this one's, in real numbers.
  func relation(_ change: InvarianceChange, factor: Float, offset: [Float]) -> Relation {
    let delta = Double(factor)
    func dot(_ values: [Float], _ row: Int) -> Double {
      var sum = 0.0
      for input in 0..<inputs {
        sum += Double(values[row * inputs + input]) * Double(offset[input])
      }
      return sum
    }
    var relation = Relation(
      scaleOfSample: [Double](repeating: 1, count: samples),
      scaleOfUnit: [Double](repeating: 1, count: units),
      shiftOfSample: [Double](repeating: 0, count: samples),
      shiftOfUnit: [Double](repeating: 0, count: units))
    switch change {
    case .scaledWeights, .scaledData:
      relation.scaleOfSample = [Double](repeating: delta, count: samples)
    case .scaledUnit: relation.scaleOfUnit[Self.unit] = delta
    case .scaledSample: relation.scaleOfSample[Self.sample] = delta
    case .shiftedWeights: relation.shiftOfSample = (0..<samples).map { dot(data, $0) }
    case .shiftedData: relation.shiftOfUnit = (0..<units).map { dot(weights, $0) }
    }
    return relation
  }

  /// a′ = scale · a + shift, for each sample and unit.
  struct Relation {
    var scaleOfSample: [Double]
    var scaleOfUnit: [Double]
    var shiftOfSample: [Double]
    var shiftOfUnit: [Double]

    func scale(_ sample: Int, _ unit: Int) -> Double { scaleOfSample[sample] * scaleOfUnit[unit] }
    func shift(_ sample: Int, _ unit: Int) -> Double { shiftOfSample[sample] + shiftOfUnit[unit] }
  }
}
