import NormGen
import Testing

/// Table 1 of the paper: what each norm does not see of its weights and data.
///
/// The summed inputs a = xWᵀ are formed here in Float32, in one order, so that a factor of 2ᵏ
/// changes no bit but the exponent's. Outputs are pre-activations, with gain and shift, at ε = 0.
@Suite struct InvarianceTests {
  enum Norm: CaseIterable {
    case layer, rms, partial
  }

  enum Change: CaseIterable {
    case scaledWeights, shiftedWeights, scaledWeightRow, scaledData, shiftedData, scaledCase
  }

  static let extent = 48
  static let width = 20
  static let samples = 5

  /// Whether the paper's table says that the norm does not see the change.
  static func isInvariant(_ norm: Norm, _ change: Change) -> Bool {
    switch (norm, change) {
    case (_, .scaledWeights), (_, .scaledData), (_, .scaledCase): true
    case (.layer, .shiftedWeights): true
    case (.rms, .shiftedWeights), (.partial, .shiftedWeights): false
    case (_, .scaledWeightRow), (_, .shiftedData): false
    }
  }

  private func normed(
    _ norm: Norm, _ placement: RMSNormSemantics.EpsilonPlacement
  ) throws -> CompiledKernel {
    let a = Tensor.input("a", [.rows, .fixed(Self.extent)], .f32)
    let gain = Tensor.input("gain", [.fixed(Self.extent)], .f32)
    let shift = Tensor.input("shift", [.fixed(Self.extent)], .f32)
    let y: Tensor
    switch norm {
    case .layer:
      y = a.layerNorm(
        gain: gain, shift: shift, epsilon: 0,
        semantics: LayerNormSemantics(epsilonPlacement: placement))
    case .rms:
      y = a.rmsNorm(
        gain: gain, shift: shift, epsilon: 0,
        semantics: RMSNormSemantics(epsilonPlacement: placement))
    case .partial:
      y = a.rmsNorm(
        gain: gain, shift: shift, epsilon: 0, statistics: .leading(fraction: 0.125),
        semantics: RMSNormSemantics(epsilonPlacement: placement))
    }
    return try Compiler(target: HostCPU.current.bestTarget).compile(Kernel("k", y))
  }

  /// Weights by rows, data by samples.
  private struct Layer {
    var weights: [[Float]]
    var data: [[Float]]

    init() {
      var random = SeededGenerator(seed: 21)
      weights = (0..<InvarianceTests.extent).map { _ in
        (0..<InvarianceTests.width).map { _ in Float(random.normal()) }
      }
      data = (0..<InvarianceTests.samples).map { _ in
        (0..<InvarianceTests.width).map { _ in Float(random.normal()) }
      }
    }

    /// a_i = Σ_j w_ij x_j for every sample, in increasing j.
    var summedInputs: [Float] {
      data.flatMap { x in
        weights.map { row in zip(row, x).reduce(0) { $0 + $1.0 * $1.1 } }
      }
    }

    mutating func apply(_ change: Change, factor: Float, recentring: [Float]) {
      func scaled(_ row: [Float]) -> [Float] { row.map { $0 * factor } }
      switch change {
      case .scaledWeights: weights = weights.map(scaled)
      case .shiftedWeights: weights = weights.map { zip($0, recentring).map { $0 + $1 } }
      case .scaledWeightRow: weights[3] = scaled(weights[3])
      case .scaledData: data = data.map(scaled)
      case .shiftedData: data = data.map { zip($0, recentring).map { $0 + $1 } }
      case .scaledCase: data[2] = scaled(data[2])
      }
    }
  }

  /// A kernel's outputs and the oracle's bounds on them.
  private struct Outcome {
    let inputs: [Float]
    let values: [Double]
    let errors: [Double]
    let gain: HostTensor
  }

  private func outcome(_ kernel: CompiledKernel, _ layer: Layer) throws -> Outcome {
    var random = SeededGenerator(seed: 22)
    func vector() throws -> HostTensor {
      try HostTensor(
        (0..<Self.extent).map { _ in Float(1 + random.normal() / 4) }, shape: [Self.extent])
    }
    let summed = layer.summedInputs
    let gain = try vector()
    let inputs = [
      "a": try HostTensor(summed, shape: [Self.samples, Self.extent]), "gain": gain,
      "shift": try vector(),
    ]
    let oracle = try GraphInterpreter.outputs(
      of: kernel.lowering.graph, rows: Self.samples, inputs: inputs)
    return Outcome(
      inputs: summed, values: try #require(kernel(inputs)["y"]).doubles,
      errors: oracle[0].map(\.error), gain: gain)
  }

  /// How far a norm's real value may move because a changed row is scale · a + shift only up to the
  /// rounding of the summed inputs.
  ///
  /// With E the largest distance from that, divided by the scale, the numerator moves by at most 2E
  /// (its mean moves too), and so does its root mean square.
  private func movement(
    _ norm: Norm, from row: ArraySlice<Float>, to changed: ArraySlice<Float>, scale: Double,
    shift: Double
  ) -> [Double] {
    let before = row.map(Double.init)
    let distance =
      zip(before, changed).map { abs(Double($1) - (scale * $0 + shift)) / abs(scale) }.max() ?? 0
    let mean = norm == .layer ? before.reduce(0, +) / Double(before.count) : 0
    let window = norm == .partial ? before.prefix(Self.extent / 8) : before[...]
    let square = window.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(window.count)
    let divisor = square.squareRoot()
    let most = 2 * distance
    return before.map { element in
      (most + abs((element - mean) / divisor) * most) / (divisor - most)
    }
  }

  @Test(arguments: Norm.allCases, Change.allCases)
  func normSeesWhatTheTableSays(norm: Norm, change: Change) throws {
    for placement in [RMSNormSemantics.EpsilonPlacement.inside, .none] {
      let kernel = try normed(norm, placement)
      let plain = try outcome(kernel, Layer())
      #expect(plain.values.allSatisfy { $0.isFinite })
      var random = SeededGenerator(seed: 23)
      let recentring = (0..<Self.width).map { _ in Float(random.normal()) }
      for factor in [4, 0.125, 3.7] as [Float] {
        var layer = Layer()
        layer.apply(change, factor: factor, recentring: recentring)
        let changed = try outcome(kernel, layer)
        let distances = zip(plain.values, changed.values).map { abs($0 - $1) }
        if !Self.isInvariant(norm, change) {
          #expect((distances.max() ?? 0) > 1e-2, "\(norm) \(change) \(factor)")
        } else if factor.significand == 1, change != .shiftedWeights {
          #expect(plain.values == changed.values, "\(norm) \(change) \(factor)")
        } else {
          // a + c·1 and 3.7·a are rounded anew.
          for sample in 0..<Self.samples {
            let range = sample * Self.extent..<(sample + 1) * Self.extent
            let isScaled = change != .shiftedWeights && (change != .scaledCase || sample == 2)
            let moved = movement(
              norm, from: plain.inputs[range], to: changed.inputs[range],
              scale: isScaled ? Double(factor) : 1,
              shift: change == .shiftedWeights
                ? zip(recentring, layer.data[sample]).map { Double($0) * Double($1) }.reduce(0, +)
                : 0)
            for (index, movement) in zip(range, moved) {
              let gain = abs(plain.gain[index - range.lowerBound])
              let bound = plain.errors[index] + changed.errors[index] + gain * movement
              #expect(distances[index] <= bound, "\(norm) \(change) \(factor) at \(index)")
            }
          }
        }
      }
    }
  }

  /// If a row's mean is 0, RMSNorm and LayerNorm are the same function.
  @Test func normsAgreeWhereTheMeanIsZero() throws {
    let half = (1...24).map { Float($0) / 8 }
    let row = half + half.map { -$0 }
    let inputs = [
      "a": try HostTensor(row, shape: [1, 48]),
      "gain": try HostTensor([Float](repeating: 1.5, count: 48), shape: [48]),
      "shift": try HostTensor([Float](repeating: 0.25, count: 48), shape: [48]),
    ]
    func values(_ norm: Norm) throws -> (kernel: [Double], errors: [Double]) {
      let kernel = try normed(norm, .inside)
      let oracle = try GraphInterpreter.outputs(
        of: kernel.lowering.graph, rows: 1, inputs: inputs)
      return (try #require(kernel(inputs)["y"]).doubles, oracle[0].map(\.error))
    }
    let layer = try values(.layer)
    let rms = try values(.rms)
    for index in 0..<48 {
      let bound = layer.errors[index] + rms.errors[index]
      #expect(abs(layer.kernel[index] - rms.kernel[index]) <= bound)
    }
  }

  /// Equation 6: RMS(αx) = α·RMS(x); a negative factor flips the sign.
  @Test func negativeFactorFlipsTheSign() throws {
    let a = Tensor.input("a", [.rows, 48], .f32)
    let kernel = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("k", a.rmsNorm(epsilon: 0)))
    let row = Layer().summedInputs.prefix(48).map { $0 }
    let plain = try #require(try kernel(["a": HostTensor(row, shape: [1, 48])])["y"]).doubles
    let flipped = try #require(
      try kernel(["a": HostTensor(row.map { -2 * $0 }, shape: [1, 48])])["y"]
    ).doubles
    #expect(flipped == plain.map { -$0 })
    // ‖a/RMS(a)‖₂ = √n, up to the length of the errors.
    let length = plain.map { $0 * $0 }.reduce(0, +).squareRoot()
    let errors = try GraphInterpreter.outputs(
      of: kernel.lowering.graph, rows: 1, inputs: ["a": HostTensor(row, shape: [1, 48])])[0]
    let reach = errors.map { $0.error * $0.error }.reduce(0, +).squareRoot()
    #expect(abs(length - 48.0.squareRoot()) <= reach * (1 + 0x1p-20))
  }
}
