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

  private func normed(_ norm: Norm, _ placement: RMSNormSemantics.EpsilonPlacement) throws
    -> CompiledKernel
  {
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

  private func outputs(_ kernel: CompiledKernel, _ layer: Layer) throws -> [Double] {
    var random = SeededGenerator(seed: 22)
    func vector() throws -> HostTensor {
      try HostTensor(
        (0..<Self.extent).map { _ in Float(1 + random.normal() / 4) }, shape: [Self.extent])
    }
    let inputs = [
      "a": try HostTensor(layer.summedInputs, shape: [Self.samples, Self.extent]),
      "gain": try vector(), "shift": try vector(),
    ]
    return try #require(kernel(inputs)["y"]).doubles
  }

  @Test(arguments: Norm.allCases, Change.allCases)
  func normSeesWhatTheTableSays(norm: Norm, change: Change) throws {
    for placement in [RMSNormSemantics.EpsilonPlacement.inside, .none] {
      let kernel = try normed(norm, placement)
      let plain = try outputs(kernel, Layer())
      #expect(plain.allSatisfy { $0.isFinite })
      var random = SeededGenerator(seed: 23)
      let recentring = (0..<Self.width).map { _ in Float(random.normal()) }
      for factor in [4, 0.125, 3.7] as [Float] {
        var layer = Layer()
        layer.apply(change, factor: factor, recentring: recentring)
        let changed = try outputs(kernel, layer)
        let distance = zip(plain, changed).map { abs($0 - $1) }.max() ?? 0
        let isPowerOfTwo = factor.significand == 1
        if !Self.isInvariant(norm, change) {
          #expect(distance > 1e-2, "\(norm) \(change) \(factor)")
        } else if change == .shiftedWeights {
          // a + c·1 is rounded anew, so that only most of the bits stay.
          #expect(distance < 1e-4, "\(norm) \(change)")
        } else if isPowerOfTwo {
          #expect(plain == changed, "\(norm) \(change) \(factor)")
        } else {
          #expect(distance < 1e-4, "\(norm) \(change) \(factor)")
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
    let layer = try #require(try normed(.layer, .inside)(inputs)["y"]).doubles
    let rms = try #require(try normed(.rms, .inside)(inputs)["y"]).doubles
    // The plain norms differ in the last step only: fused, or rounded twice.
    #expect(zip(layer, rms).allSatisfy { abs($0 - $1) <= abs($1) * 0x1p-22 })
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
    // ‖a/RMS(a)‖₂ = √n.
    let length = plain.map { $0 * $0 }.reduce(0, +).squareRoot()
    #expect(abs(length - 48.0.squareRoot()) < 1e-5)
  }
}
