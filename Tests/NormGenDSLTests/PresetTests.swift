import NormGen
import NormGenTestSupport
import Testing

/// What each preset means for each combination of types, spelt out as primitives.
@Suite struct PresetTests {
  static let types: [(input: DType, gain: DType)] = [
    (.f32, .f32), (.bf16, .bf16), (.f16, .f16), (.bf16, .f32), (.f32, .bf16), (.f16, .bf16),
  ]

  @Test(arguments: RMSNormSemantics.named.map(\.key))
  func rmsNormPresetIsItsGolden(name: String) throws {
    let semantics = try #require(RMSNormSemantics.named.first { $0.key == name }).value
    var text = ""
    for (type, gainType) in Self.types {
      let x = Tensor.input("x", [.rows, 300], type)
      let gain = Tensor.input("gain", [300], gainType)
      let y = x.rmsNorm(gain: gain, epsilon: 0.5, semantics: semantics)
      text += "\(try Kernel("\(name)_\(type.rawValue)_\(gainType.rawValue)", y).graph())\n"
    }
    let x = Tensor.input("x", [.rows, 300], .bf16)
    let shift = Tensor.input("shift", [300], .bf16)
    let shifted = x.rmsNorm(shift: shift, epsilon: 0.5, semantics: semantics)
    text += "\(try Kernel("\(name)_shift_without_gain", shifted).graph())"
    try Goldens().compare(text, "rms_norm_\(name).ng")
  }

  @Test(arguments: LayerNormSemantics.named.map(\.key))
  func layerNormPresetIsItsGolden(name: String) throws {
    let semantics = try #require(LayerNormSemantics.named.first { $0.key == name }).value
    var text = ""
    for (type, gainType) in Self.types {
      let x = Tensor.input("x", [.rows, 300], type)
      let gain = Tensor.input("gain", [300], gainType)
      let shift = Tensor.input("shift", [300], gainType)
      let y = x.layerNorm(gain: gain, shift: shift, epsilon: 0.5, semantics: semantics)
      text += "\(try Kernel("\(name)_\(type.rawValue)_\(gainType.rawValue)", y).graph())\n"
    }
    let x = Tensor.input("x", [.rows, 300], .bf16)
    let gain = Tensor.input("gain", [300], .bf16)
    let unshifted = x.layerNorm(gain: gain, epsilon: 0.5, semantics: semantics)
    text += "\(try Kernel("\(name)_without_shift", unshifted).graph())"
    try Goldens().compare(text, "layer_norm_\(name).ng")
  }

  @Test func epsilonPlacementsAreTheirGoldens() throws {
    var text = ""
    for placement in RMSNormSemantics.EpsilonPlacement.allCases {
      let x = Tensor.input("x", [.rows, 300], .f32)
      let semantics = RMSNormSemantics(epsilonPlacement: placement)
      let centred = LayerNormSemantics(epsilonPlacement: placement)
      let kernel = Kernel(
        "placement_\(placement.rawValue)",
        outputs: [
          "rms": x.rmsNorm(epsilon: 0.5, semantics: semantics),
          "layer": x.layerNorm(epsilon: 0.25, semantics: centred),
          "length": x.l2Norm(epsilon: 0.125, epsilonPlacement: placement),
        ])
      text += "\(try kernel.graph())\n"
    }
    try Goldens().compare(text, "placements.ng")
  }

  @Test func scaledStatisticsAreTheirGoldens() throws {
    let x = Tensor.input("x", [.rows, 300], .bf16)
    let parts = x.layerNormalization(epsilon: 1e-5, range: .scaled)
    let mean = try #require(parts.mean)
    let kernels = [
      Kernel("scaled_rms", x.rmsNorm(epsilon: 1e-6, range: .scaled, semantics: .llama)),
      Kernel(
        "scaled_rms_divided",
        x.rmsNorm(epsilon: 1e-8, range: .scaled, semantics: .paperTorch)),
      Kernel(
        "scaled_layer",
        outputs: ["y": parts.output, "mean": mean, "rstd": parts.inverseDeviation]),
      Kernel("scaled_l2", x.l2Norm(statistics: .leading(fraction: 0.5), range: .scaled)),
    ]
    let text = try kernels.map { "\(try $0.graph())\n" }.joined()
    try Goldens().compare(text, "statistic_ranges.ng")
  }

  @Test func activationsAreTheirGoldens() throws {
    let x = Tensor.input("x", [.rows, 300], .f32)
    var outputs = Activation.named.map { Kernel.Output("\($0.name)_x", $0(x)) }
    outputs.append(Kernel.Output("leaky_relu_x", x.leakyReLU(slope: 0.1)))
    try Goldens().compare(
      "\(try Kernel("activations", outputs: outputs).graph())", "activations.ng")
  }
}
