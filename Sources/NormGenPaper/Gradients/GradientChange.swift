import NormGen

/// An input of a layer times δ.
enum GradientChange: String, CaseIterable, Sendable {
  case scaledData, scaledWeights, scaledSums

  /// What is scaled.
  var input: String {
    switch self {
    case .scaledData: "x"
    case .scaledWeights: "w"
    case .scaledSums: "a"
    }
  }

  /// The row's heading.
  var title: String {
    switch self {
    case .scaledData: "x → δx"
    case .scaledWeights: "W → δW"
    case .scaledSums: "a → δa"
    }
  }

  /// What the norm is taken of.
  var subject: GradientLayer.Subject { self == .scaledSums ? .sums : .product }

  /// The power of δ that a gradient is multiplied by behind a norm: the scaled input's own is
  /// divided by δ (R′ = R/δ, equation 10), and no other sees the change.
  func power(of gradient: String) -> Int { gradient == "d_\(input)" ? -1 : 0 }

  /// The tensors with one scaled.
  func applied(to tensors: [String: HostTensor], factor: Double) throws -> [String: HostTensor] {
    var changed = tensors
    if let tensor = tensors[input] {
      changed[input] = try HostTensor(
        tensor.doubles.map { $0 * factor }, shape: tensor.shape, tensor.storage)
    }
    return changed
  }
}

/// One gradient under one change.
struct GradientCell: Sendable {
  let norm: RecurrentNorm
  let change: GradientChange
  let gradient: String
  /// The expected power of δ.
  let power: Int
  /// The largest difference over the powers of two.
  let powerDifference: Double
  /// The least of these, for layers without a norm.
  let leastPowerDifference: Double
  /// The largest difference at ``GradientsPart/otherFactor``, by the largest gradient.
  let otherDifference: Double
  /// The largest bound on it, by the largest gradient, and the largest difference by its bound.
  let greatestBound: Double
  let worstRatio: Double

  var name: String { "\(norm.title) \(change.title) \(gradient)" }

  var text: String {
    let answer = power == 0 ? "same" : "1/δ"
    let powers = powerDifference == 0 ? "0" : Figure.digits(powerDifference, 2)
    return "\(answer); \(powers), \(Figure.digits(otherDifference, 2))"
  }
}

extension GradientCell {
  /// The cells of one norm and one change.
  static func all(
    _ layer: GradientLayer, _ change: GradientChange, seed: UInt64,
    expecting power: (GradientChange, String) -> Int
  ) throws -> [GradientCell] {
    let tensors = try layer.tensors(seed: seed)
    let plain = try layer.gradients(tensors)
    let errors = try layer.bounds(tensors)
    let atPowers = try GradientsPart.powersOfTwo.map { factor in
      (factor, try layer.gradients(change.applied(to: tensors, factor: factor)))
    }
    let other = try change.applied(to: tensors, factor: GradientsPart.otherFactor)
    let changed = try layer.gradients(other)
    let changedErrors = try layer.bounds(other)
    return layer.backward.lowering.graph.outputs.map(\.name).map { name in
      let power = power(change, name)
      let before = plain[name] ?? []
      let size = before.map(abs).max() ?? 0
      /// Real numbers' relation, element by element; exact in Float64 for these factors.
      func differences(_ after: [Double]?, _ factor: Double) -> [Double] {
        guard let after, after.count == before.count, size > 0 else { return [.nan] }
        let scale = power == 0 ? 1 : factor
        let distances = zip(before, after).map { abs($0 - $1 * scale) }
        return distances.allSatisfy(\.isFinite) ? distances : [.nan]
      }
      let greatest = atPowers.map { (differences($0.1[name], $0.0).max() ?? .nan) / size }
      let isFinite = greatest.allSatisfy(\.isFinite)
      let distances = differences(changed[name], GradientsPart.otherFactor)
      let scale = power == 0 ? 1 : GradientsPart.otherFactor
      let bounds = zip(errors[name] ?? [], changedErrors[name] ?? []).map { $0 + $1 * scale }
      let ratios = zip(distances, bounds).map { $0 == 0 ? 0 : $0 / $1 }
      let isBounded = bounds.count == distances.count && bounds.allSatisfy(\.isFinite)
      return GradientCell(
        norm: layer.norm, change: change, gradient: name, power: power,
        powerDifference: isFinite ? greatest.max() ?? .nan : .nan,
        leastPowerDifference: isFinite ? greatest.min() ?? .nan : .nan,
        otherDifference: (distances.max() ?? .nan) / size,
        greatestBound: (bounds.max() ?? .nan) / size,
        worstRatio: isBounded ? ratios.max() ?? .nan : .nan)
    }
  }
}
