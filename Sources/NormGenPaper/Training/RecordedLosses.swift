private import Foundation

/// The first losses of the RMSNorm runs as PyTorch has them, recorded by
/// `Benchmarks/training/record.py`.
struct RecordedLosses: Decodable {
  /// One model's.
  struct Model: Decodable {
    /// The mean loss before each step, in Float64.
    let float64: [Double]
    /// How far Float32 runs have been from them up to each step: the greatest distance of runs
    /// that differ in the order of the images within a batch only.
    let float32Distance: [Double]
  }

  /// The seed of the parameters.
  let seed: UInt64
  /// By ``Classifier/title``.
  let models: [String: Model]

  /// How often the greatest distance of PyTorch's Float32 runs another Float32 run may be away.
  static let multiple = 2.0

  /// The committed record.
  static func committed() throws -> RecordedLosses {
    try JSONDecoder().decode(
      RecordedLosses.self, from: Data(PackageResources.recorded_losses_json))
  }
}

extension RecordedLosses.Model {
  /// How far losses are from the recorded ones, as a part of what is allowed: at most 1 if they
  /// agree. Infinite for too few losses and for such as are not numbers.
  func distance(of losses: [Double]) -> Double {
    guard losses.count >= float64.count, float64.count == float32Distance.count else {
      return .infinity
    }
    return zip(zip(losses, float64), float32Distance).reduce(0) { worst, step in
      let distance = abs(step.0.0 - step.0.1) / (RecordedLosses.multiple * step.1)
      return distance.isNaN ? .infinity : max(worst, distance)
    }
  }
}
