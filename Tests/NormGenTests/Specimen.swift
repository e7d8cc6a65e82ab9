import NormGen
import Testing

/// A kernel that tests run, for any extent of a row and any pair of storage types.
struct Specimen: Sendable, CustomTestStringConvertible {
  /// The types of rows and of parameters.
  struct Types: Sendable {
    let input: DType
    let gain: DType

    var name: String { "\(input.rawValue)_\(gain.rawValue)" }

    static let all: [Types] = [
      Types(input: .f32, gain: .f32), Types(input: .bf16, gain: .bf16),
      Types(input: .f16, gain: .f16), Types(input: .bf16, gain: .f32),
      Types(input: .f32, gain: .f16), Types(input: .i8, gain: .f32),
      Types(input: .bf16, gain: .i8), Types(input: .u8, gain: .u8),
      Types(input: .f8E4M3, gain: .f8E5M2),
    ]

    /// A third of them with their places, for each seed others: three neighbouring seeds together take all.
    static func some(_ seed: Int) -> [(offset: Int, element: Types)] {
      (0..<3).map { index in
        let place = (seed + 3 * index) % all.count
        return (place, all[place])
      }
    }
  }

  /// The parameters that a specimen is composed from.
  struct Parameters {
    let extent: Int
    let types: Types
    let epsilon: Float
    /// Whether `x` is the product of a row with weights.
    var isProduct = false

    func row(_ name: String) -> Tensor {
      .input(name, [.rows, .fixed(extent)], types.input)
    }

    func vector(_ name: String) -> Tensor { .input(name, [.fixed(extent)], types.gain) }

    var x: Tensor {
      guard isProduct else { return row("x") }
      return row("x").matmul(.input("w", [.fixed(extent), .fixed(extent)], types.input))
    }
    var gain: Tensor { vector("gain") }
    var shift: Tensor { vector("shift") }
    /// A third of the row, at least one element.
    var third: Int { (extent + 2) / 3 }
  }

  let name: String
  let outputs: @Sendable (Parameters) -> [Kernel.Output]

  var testDescription: String { name }

  init(_ name: String, _ output: @escaping @Sendable (Parameters) -> Tensor) {
    self.name = name
    self.outputs = { [Kernel.Output("y", output($0))] }
  }

  init(several name: String, _ outputs: @escaping @Sendable (Parameters) -> [Kernel.Output]) {
    self.name = name
    self.outputs = outputs
  }

  /// The kernel for an extent and types; its name tells them.
  func kernel(_ extent: Int, _ types: Types, epsilon: Float) -> Kernel {
    Kernel(
      "\(name)_\(extent)_\(types.name)",
      outputs: outputs(Parameters(extent: extent, types: types, epsilon: epsilon)))
  }
}

extension Specimen {
  static let all: [Specimen] =
    rmsPresets + layerPresets + lengths + partials + residuals + activations + compositions
    + quantizations + channels + ranges + separate

  static func named(_ name: String) -> Specimen? { all.first { $0.name == name } }

  private static let rmsPresets = RMSNormSemantics.named.map { name, semantics in
    Specimen("rms_\(name)") {
      $0.x.rmsNorm(gain: $0.gain, epsilon: $0.epsilon, semantics: semantics)
    }
  }

  private static let layerPresets =
    LayerNormSemantics.named.map { name, semantics in
      Specimen("layer_\(name)") {
        $0.x.layerNorm(
          gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon, semantics: semantics)
      }
    }
    + LayerNormSemantics.named.map { name, semantics in
      Specimen("layer_\(name)_unshifted") {
        $0.x.layerNorm(gain: $0.gain, epsilon: $0.epsilon, semantics: semantics)
      }
    }

  private static let lengths = RMSNormSemantics.EpsilonPlacement.allCases.map { placement in
    Specimen("l2_\(placement.rawValue)") {
      $0.x.l2Norm(gain: $0.gain, epsilon: $0.epsilon, epsilonPlacement: placement)
    }
  }

  /// Outputs that share nothing have row programs of their own.
  private static let separate: [Specimen] = [
    Specimen(several: "two_lengths") { part in
      let narrow = Tensor.input("narrow", [.rows, .fixed(part.third)], part.types.input)
      return [
        Kernel.Output("y", part.x.rmsNorm(gain: part.gain, epsilon: part.epsilon)),
        Kernel.Output("z", narrow.layerNorm(epsilon: part.epsilon)),
      ]
    }
  ]

  private static let partials: [Specimen] = [
    Specimen("partial_count") {
      $0.x.rmsNorm(
        gain: $0.gain, epsilon: $0.epsilon, statistics: .leading(count: $0.third))
    },
    Specimen("partial_fraction_up") {
      $0.x.rmsNorm(
        gain: $0.gain, epsilon: $0.epsilon, statistics: .leading(fraction: 0.0625))
    },
    Specimen("partial_fraction_down") { part in
      // A fraction of less than one element has no meaning.
      let fraction = max(0.0625, 1.0001 / Double(part.extent))
      return part.x.rmsNorm(
        gain: part.gain, shift: part.shift, epsilon: part.epsilon,
        statistics: .leading(fraction: min(fraction, 1), rounding: .down), semantics: .llama)
    },
    Specimen("partial_layer") {
      $0.x.layerNorm(
        gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon,
        statistics: .leading(count: $0.third))
    },
  ]

  private static let ranges: [Specimen] = [
    Specimen("rms_scaled") {
      $0.x.rmsNorm(gain: $0.gain, epsilon: $0.epsilon, range: .scaled, semantics: .llama)
    },
    Specimen(several: "layer_scaled") {
      let parts = $0.x.layerNormalization(
        gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon, range: .scaled)
      let mean = parts.mean ?? parts.inverseDeviation
      return [
        Kernel.Output("y", parts.output), Kernel.Output("mean", mean),
        Kernel.Output("rstd", parts.inverseDeviation),
      ]
    },
    Specimen("partial_l2_scaled") {
      $0.x.l2Norm(
        gain: $0.gain, epsilon: $0.epsilon, statistics: .leading(count: $0.third), range: .scaled)
    },
    Specimen("residual_scaled") {
      ($0.x + $0.row("residual")).rmsNorm(gain: $0.gain, epsilon: $0.epsilon, range: .scaled)
    },
  ]

  private static let residuals: [Specimen] = [
    Specimen(several: "residual_rounded") {
      let hidden = ($0.x + $0.row("residual")).rounded(to: $0.types.input)
      return [
        Kernel.Output("hidden", hidden),
        Kernel.Output(
          "y", hidden.rmsNorm(gain: $0.gain, epsilon: $0.epsilon, semantics: .llama)),
      ]
    },
    Specimen(several: "residual_unrounded") {
      let hidden = $0.x + $0.row("residual")
      return [
        Kernel.Output("hidden", hidden),
        Kernel.Output("y", hidden.rmsNorm(gain: $0.gain, epsilon: $0.epsilon)),
      ]
    },
    Specimen(several: "norm_residual_norm") {
      let normed = $0.x.rmsNorm(gain: $0.gain, epsilon: $0.epsilon, semantics: .gemma)
      let hidden = (normed + $0.row("residual")).rounded(to: $0.types.input)
      return [
        Kernel.Output("hidden", hidden),
        Kernel.Output(
          "y", hidden.rmsNorm(gain: $0.vector("next"), epsilon: $0.epsilon, semantics: .gemma)),
      ]
    },
    Specimen("three_norms") {
      let first = $0.x.rmsNorm(gain: $0.gain, epsilon: $0.epsilon)
      let second = (first + $0.x).layerNorm(gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon)
      return second.l2Norm()
    },
  ]

  private static let activations: [Specimen] =
    (Activation.named + [Activation.leakyReLU(slope: 0.1)]).map { activation in
      Specimen("bias_\(activation.name)_norm") {
        let biased = $0.x + $0.vector("bias")
        return activation(biased).layerNorm(
          gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon)
      }
    }

  private static let quantizations: [Specimen] =
    RowQuantization.Scaling.allCases.map { scaling in
      Specimen(several: "quantized_by_\(scaling.rawValue)") {
        let normed = $0.x.rmsNorm(gain: $0.gain, epsilon: $0.epsilon)
        let quantized = normed.quantizedRows(scaling: scaling)
        return [
          Kernel.Output("q", quantized.values), Kernel.Output("scale", quantized.scale),
        ]
      }
    } + [
      Specimen(several: "quantized_heads") {
        let q = Tensor.input("q", [.rows, 3, .fixed($0.extent)], $0.types.input)
        let quantized = q.quantizedRows()
        // Read back as what the integers stand for.
        let restored = quantized.values * quantized.scale
        return [
          Kernel.Output("integers", quantized.values), Kernel.Output("restored", restored),
        ]
      },
      Specimen("stored_as_integers") {
        (($0.x * $0.gain).rounded(to: .i8) * 0.75 + $0.shift).rounded(to: .i8)
      },
    ]

  private static let compositions: [Specimen] = [
    Specimen(several: "rms_with_rstd") {
      let parts = $0.x.rmsNormalization(gain: $0.gain, epsilon: $0.epsilon)
      return [
        Kernel.Output("y", parts.output), Kernel.Output("rstd", parts.inverseDeviation),
      ]
    },
    Specimen(several: "layer_with_statistics") {
      let parts = $0.x.layerNormalization(
        gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon)
      let mean = parts.mean ?? parts.inverseDeviation
      return [
        Kernel.Output("y", parts.output), Kernel.Output("mean", mean),
        Kernel.Output("rstd", parts.inverseDeviation, as: .f16),
      ]
    },
    Specimen("heads") {
      let q = Tensor.input("q", [.rows, 3, .fixed($0.extent)], $0.types.input)
      return q.rmsNorm(gain: $0.gain, epsilon: $0.epsilon, semantics: .llama)
    },
    Specimen("reshaped_heads") {
      let q = Tensor.input("q", [.rows, .fixed(2 * $0.extent)], $0.types.input)
      let heads = q.reshaped([.rows, 2, .fixed($0.extent)])
      let normed = heads.layerNorm(gain: $0.gain, shift: $0.shift, epsilon: $0.epsilon)
      return normed.reshaped([.rows, .fixed(2 * $0.extent)])
    },
    Specimen("softmax") {
      let shifted = $0.x - $0.x.rowMaximum()
      let exponentials = shifted.exp()
      return (exponentials / exponentials.sum()) * $0.gain
    },
    Specimen("row_extrema") {
      let range = $0.x.rowMaximum() - $0.x.rowMinimum(over: .leading(count: $0.third))
      return $0.x / (range + $0.epsilon) * $0.gain
    },
    Specimen("elementwise_only") { ($0.x * $0.gain + $0.shift).tanh() },
  ]
}

extension Specimen.Parameters {
  /// Three channels of the row's extent, and a number for each channel.
  fileprivate var image: Tensor { .input("x", [.rows, 3, .fixed(extent)], types.input) }

  fileprivate func perChannel(_ name: String) -> Tensor { .input(name, [3, 1], types.gain) }
}

extension Specimen {
  fileprivate static let channels: [Specimen] = [
    Specimen("weight_norm") { $0.x.weightNorm(gain: .input("gain", [.rows, 1], $0.types.gain)) },
    Specimen("weight_direction") { $0.x.weightNorm() },
    Specimen("batch") {
      $0.x.batchNorm(
        mean: $0.vector("mean"), variance: $0.vector("variance").absolute(), gain: $0.gain,
        shift: $0.shift, epsilon: $0.epsilon)
    },
    Specimen("batch_channels") {
      let variance = $0.perChannel("variance")
      return $0.image.batchNorm(
        mean: $0.perChannel("mean"), variance: variance * variance, epsilon: $0.epsilon)
    },
    Specimen("instance") {
      $0.image.instanceNorm(
        gain: $0.perChannel("gain"), shift: $0.perChannel("shift"), epsilon: $0.epsilon)
    },
    // The paper's convolutional network: over positions, a gain for each channel, leaky ReLU.
    Specimen("rms_channels") {
      $0.image.rmsNorm(
        gain: $0.perChannel("gain"), shift: $0.perChannel("shift"), epsilon: $0.epsilon,
        statistics: .leading(fraction: 0.125)
      ).leakyReLU(slope: 0.1)
    },
    Specimen("groups") {
      let x = Tensor.input("x", [.rows, 6, .fixed($0.extent)], $0.types.input)
      let gain = Tensor.input("gain", [6, .fixed($0.extent)], $0.types.gain)
      return x.groupNorm(groups: 3, gain: gain, epsilon: $0.epsilon)
    },
    Specimen("groups_of_units") {
      let units: [Extent] = [.fixed(3 * $0.extent)]
      let x = Tensor.input("x", [.rows] + units, $0.types.input)
      return x.groupNorm(
        groups: 3, gain: .input("gain", units, $0.types.gain),
        shift: .input("shift", units, $0.types.gain), epsilon: $0.epsilon)
    },
  ]
}
