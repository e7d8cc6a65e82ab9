import NormGenDSL
import NormGenIR

extension Models {
  /// Idefics: gated cross attention, norms of the heads, and a perceiver with LayerNorms.
  static func idefics(_ accumulation: Matmul.Accumulation) -> [ModelSite] {
    let layers = ModelLayers(.bf16, accumulation)
    return decoder(layers, "idefics-9b", "idefics_9b", hidden: 4096, inter: 11008, epsilon: 1e-6)
      + [perceiver(layers)]
      + decoder(layers, "idefics-80b", "idefics_80b", hidden: 8192, inter: 22016, epsilon: 1e-5)
  }

  /// Heads of 128.
  private static func decoder(
    _ layers: ModelLayers, _ model: String, _ name: String, hidden: Int, inter: Int,
    epsilon: Float
  ) -> [ModelSite] {
    func rms(_ x: Tensor, _ gain: String) -> Tensor {
      x.rmsNorm(
        gain: layers.vector(gain, x.shape.rowExtent), epsilon: epsilon, semantics: .t5)
    }
    func head(_ x: Tensor, _ weights: String, _ gain: String) -> Tensor {
      let heads = layers.linear(x, weights, to: hidden)
        .reshaped([.rows, .fixed(hidden / 128), 128])
      return rms(heads, gain)
    }
    func added(_ block: Tensor, to residual: Tensor) -> Tensor {
      let gate = layers.returned(layers.vector("alpha", 1).tanh())
      return layers.returned(gate * block).adding(residual: residual, mode: .rounded)
    }

    let x = layers.rows("x", hidden)
    let normed = rms(x, "gain")

    let projected = layers.linear(layers.rows("o", hidden), "w_o", to: hidden)
    let state = added(projected, to: x)

    let inner = layers.gated(normed, inter)
    let block = layers.linear(inner, "w_down", to: hidden)

    return [
      ModelSite(
        model: model, site: "RMS → q, k → RMS of heads",
        kernel: Kernel(
          "\(name)_qk",
          outputs: [
            "q": head(normed, "w_q", "q_gain"), "k": head(normed, "w_k", "k_gain"),
          ])),
      ModelSite(
        model: model, site: "x + tanh(α)·o_proj → RMS",
        kernel: Kernel(
          "\(name)_cross_attention_output",
          outputs: ["hidden": state, "normed": rms(state, "gain")])),
      ModelSite(
        model: model, site: "x + tanh(α)·(RMS → gate, up → silu·mul → down)",
        kernel: Kernel("\(name)_feed_forward", added(block, to: x))),
    ]
  }

  /// 16 heads of 96 over image features of 1280.
  private static func perceiver(_ layers: ModelLayers) -> ModelSite {
    func layerNorm(_ x: Tensor, _ name: String) -> Tensor {
      let extent = x.shape.rowExtent
      return x.layerNorm(
        gain: layers.vector("\(name)gain", extent), shift: layers.vector("\(name)shift", extent),
        epsilon: 1e-5, semantics: .torch)
    }
    func head(_ x: Tensor, _ name: String) -> Tensor {
      let heads = layers.linear(x, "w_\(name)", to: 16 * 96).reshaped([.rows, 16, 96])
      return layerNorm(heads, "\(name)_")
    }
    let normed = layerNorm(layers.rows("x", 1280), "")
    return ModelSite(
      model: "idefics-9b", site: "perceiver: LN → q, k → LN of heads",
      kernel: Kernel(
        "idefics_perceiver_qk", outputs: ["q": head(normed, "q"), "k": head(normed, "k")]))
  }
}
