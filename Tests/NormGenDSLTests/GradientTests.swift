import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Derived gradients against central differences of the oracle.
@Suite struct GradientTests {
  static let extent = 12

  static func row(_ name: String = "x") -> Tensor {
    .input(name, [.rows, .fixed(extent)], .f32)
  }
  static func parameter(_ name: String) -> Tensor { .input(name, [.fixed(extent)], .f32) }

  struct Specimen: CustomTestStringConvertible, Sendable {
    let kernel: Kernel
    var testDescription: String { kernel.name }

    init(_ name: String, _ tensor: Tensor) { kernel = Kernel(name, tensor) }
    init(_ kernel: Kernel) { self.kernel = kernel }
  }

  static let norms: [Specimen] = {
    let x = row(), gain = parameter("gain"), shift = parameter("shift")
    var specimens: [Specimen] = []
    for placement in RMSNormSemantics.EpsilonPlacement.allCases {
      for scaling in RMSNormSemantics.Scaling.allCases {
        let rms = RMSNormSemantics(
          epsilonPlacement: placement, scaling: scaling, gainOffset: scaling == .division ? 1 : 0)
        specimens.append(
          Specimen(
            "rms_\(placement)_\(scaling)",
            x.rmsNorm(gain: gain, shift: shift, epsilon: 0.8765, semantics: rms)))
        specimens.append(
          Specimen(
            "layer_\(placement)_\(scaling)",
            x.layerNorm(
              gain: gain, shift: shift, epsilon: 0.8765,
              semantics: LayerNormSemantics(epsilonPlacement: placement, scaling: scaling))))
      }
      specimens.append(
        Specimen(
          "l2_\(placement)", x.l2Norm(gain: gain, epsilon: 0.8765, epsilonPlacement: placement)))
    }
    for affine in LayerNormSemantics.Affine.allCases {
      specimens.append(
        Specimen(
          "layer_\(affine)",
          x.layerNorm(
            gain: gain, shift: shift, epsilon: 0.8765,
            semantics: LayerNormSemantics(affine: affine))))
    }
    for fraction in [0.0625, 0.4, 1] {
      let window = StatisticWindow.leading(fraction: fraction)
      let name = "\(Int(fraction * 10000))"
      specimens += [
        Specimen("partial_rms_\(name)", x.rmsNorm(gain: gain, epsilon: 0.5, statistics: window)),
        Specimen(
          "partial_layer_\(name)",
          x.layerNorm(gain: gain, shift: shift, epsilon: 0.5, statistics: window)),
        Specimen("partial_l2_\(name)", x.l2Norm(gain: gain, epsilon: 0.5, statistics: window)),
      ]
    }
    for exponent in [40, -40] {
      let power = Float(sign: .plus, exponent: exponent, significand: 1)
      let sized = x * power
      for placement in RMSNormSemantics.EpsilonPlacement.allCases {
        let epsilon = placement == .inside ? power * power / 2 : power / 2
        let rms = RMSNormSemantics(epsilonPlacement: placement)
        let name = "\(placement)_\(exponent > 0 ? "huge" : "tiny")"
        specimens += [
          Specimen(
            "scaled_rms_\(name)",
            sized.rmsNorm(gain: gain, epsilon: epsilon, range: .scaled, semantics: rms)),
          Specimen(
            "scaled_layer_\(name)",
            sized.layerNorm(
              gain: gain, shift: shift, epsilon: epsilon, range: .scaled,
              semantics: LayerNormSemantics(epsilonPlacement: placement))),
          Specimen(
            "scaled_l2_\(name)",
            sized.l2Norm(
              gain: gain, epsilon: epsilon, epsilonPlacement: placement,
              statistics: .leading(count: 5), range: .scaled)),
        ]
      }
    }
    return specimens
  }()

  static let steps: [Specimen] = {
    let x = row(), y = row("z"), p = parameter("p")
    let positive = x * x + 0.5
    let activations = (Activation.named + [.leakyReLU(slope: 0.1)]).map {
      Specimen($0.name, $0(x) * y)
    }
    return activations + [
      Specimen("exp", x.exp()), Specimen("log", positive.log() * p),
      Specimen("root", positive.squareRoot()), Specimen("absolute", x.absolute() * p),
      Specimen("quotient", x / (y * y + 0.5)), Specimen("negated", p - -x),
      Specimen("larger", x.maximum(y) * p), Specimen("smaller", x.minimum(y * p)),
      Specimen("selected", x.select(ifGreaterThan: y, x * p, else: y * y)),
      Specimen("fused", x.multiplyAdd(p, y)), Specimen("cube", (x * x) * x),
      Specimen("binade", (x + 3).binade() * x), Specimen("largest", x * y.rowMaximum()),
      Specimen("smallest", x / (x.rowMinimum() - 5)),
      Specimen("largest_of_three", x * y.rowMaximum(over: .leading(count: 3))),
      Specimen("products", (x * p).sum(over: .leading(count: 5)) * y),
      Specimen("spread", x.sum() + x.mean(over: .leading(count: 2)) * y.sum()),
      Specimen("softmax", softmax(x) * y),
      // A user's own norm: x / (mean|x| + ε) · p.
      Specimen("mean_absolute", (x / (x.absolute().mean() + 0.25)) * p),
    ]
  }()

  static func softmax(_ x: Tensor) -> Tensor {
    let raised = (x - x.rowMaximum()).exp()
    return raised / raised.sum()
  }

  static let compositions: [Specimen] = {
    let x = row(), residual = row("residual"), gain = parameter("gain"), shift = parameter("shift")
    let hidden = x + residual
    let gate = Tensor.input("gate", [1], .f32)
    let heads = x.reshaped([.rows, 3, 4])
    let headGain = Tensor.input("head_gain", [4], .f32)
    let headScale = Tensor.input("head_scale", [3, 1], .f32)
    let headTable = Tensor.input("head_table", [12], .f32).reshaped([3, 4])
    let inner = x.rmsNorm(gain: gain, epsilon: 0.3)
    return [
      Specimen(
        Kernel(
          "residual_rms",
          outputs: ["hidden": hidden, "normed": hidden.rmsNorm(gain: gain, epsilon: 0.5)])),
      Specimen(
        Kernel(
          "residual_layer",
          outputs: [
            "hidden": hidden, "normed": hidden.layerNorm(gain: gain, shift: shift, epsilon: 0.5),
          ])),
      Specimen("gated", (x * gate.tanh() + residual).layerNorm(gain: gain, epsilon: 0.5)),
      Specimen("sandwich", (inner + residual).rmsNorm(gain: gain + 1, epsilon: 0.5)),
      Specimen("ngpt", (x + shift * (inner - x)).rmsNorm(epsilon: 0.5)),
      Specimen("norm_silu", (inner + shift).silu()),
      Specimen(
        "heads", (heads.rmsNorm(gain: headGain, epsilon: 0.5) * headScale).reshaped([.rows, 12])),
      Specimen("head_table", heads.layerNorm(gain: headTable, epsilon: 0.5)),
      Specimen("twice", x.rmsNorm(epsilon: 0.5) * x.layerNorm(gain: gain, epsilon: 0.5)),
    ]
  }()

  static let products: [Specimen] = {
    let x = row(), gain = Tensor.input("gain", [6], .f32), bias = Tensor.input("bias", [6], .f32)
    let w = Tensor.input("w", [12, 6], .f32), v = Tensor.input("v", [6, 12], .f32)
    let up = Tensor.input("up", [12, 6], .f32)
    let hidden = x.matmul(w) + bias
    let normed = x.rmsNorm(gain: parameter("g"), epsilon: 0.5)
    return [
      Specimen("linear", x.matmul(w)),
      Specimen("linear_out_in", x.matmul(v, layout: .outIn).tanh()),
      Specimen("linear_gelu_layer", hidden.gelu().layerNorm(gain: gain, epsilon: 0.5)),
      Specimen("linear_partial", hidden.rmsNorm(gain: gain, statistics: .leading(count: 2))),
      Specimen("mlp", (normed.matmul(w).silu() * normed.matmul(up)).matmul(v)),
      Specimen("residual_linear", (hidden.matmul(v) + x).rmsNorm(epsilon: 0.5)),
      Specimen(
        "heads_linear", x.matmul(w).reshaped([.rows, 2, 3]).rmsNorm(epsilon: 0.5)),
    ]
  }()

  static let all = norms + steps + compositions + products + columns

  @Test(arguments: all)
  func gradientIsThatOfCentralDifferences(_ specimen: Specimen) throws {
    let graph = try specimen.kernel.graph()
    let gradient = try specimen.kernel.gradient().graph()
    let differences = try CentralDifferences(graph, rows: 3, seed: 5)
    #expect(gradient.outputs.count == graph.inputs.count)
    let mistake = try differences.mistake(in: gradient)
    #expect(mistake == nil, "\(mistake ?? "")\n\(GraphPrinter.text(of: gradient))")
  }

  @Test(arguments: all)
  func gradientsSurviveTheTextForm(_ specimen: Specimen) throws {
    let gradient = try specimen.kernel.gradient().graph()
    let text = GraphPrinter.text(of: gradient)
    #expect(try GraphParser.graphs(in: text) == [gradient], "\(text)")
  }
}
