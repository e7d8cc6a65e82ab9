import NormGenDSL
import NormGenIR

extension Models {
  /// Gemma-2-2B, with four norms a layer, and the transcoder that Gemma Scope trained for it.
  static func gemma(_ accumulation: Matmul.Accumulation) -> [ModelSite] {
    gemmaLayer(ModelLayers(.bf16, accumulation)) + gemmaScope(ModelLayers(.f32))
  }

  /// Hidden 2304, inter 9216, 8 heads of 256 with 4 keys; gain 1 + g.
  private static func gemmaLayer(_ layers: ModelLayers) -> [ModelSite] {
    let hidden = 2304

    func rms(_ x: Tensor, _ gain: String) -> Tensor {
      x.rmsNorm(gain: layers.vector(gain, hidden), epsilon: 1e-6, semantics: .gemma)
    }

    let x = layers.rows("x", hidden)
    let normed = rms(x, "gain")

    let projected = layers.linear(layers.rows("o", 2048), "w_o", to: hidden)
    let state = rms(projected, "post_gain").adding(residual: x, mode: .rounded)

    let inner = layers.gated(rms(x, "pre_gain"), by: .geluTanh, 9216)
    let block = rms(layers.linear(inner, "w_down", to: hidden), "post_gain")

    return [
      ModelSite(
        model: "Gemma-2-2B", site: "RMS → q, k, v",
        kernel: Kernel(
          "gemma_2_2b_qkv",
          outputs: [
            "q": layers.linear(normed, "w_q", to: 2048),
            "k": layers.linear(normed, "w_k", to: 1024),
            "v": layers.linear(normed, "w_v", to: 1024),
          ])),
      ModelSite(
        model: "Gemma-2-2B", site: "o → RMS → + x → RMS",
        kernel: Kernel(
          "gemma_2_2b_attention_output",
          outputs: ["hidden": state, "normed": rms(state, "pre_gain")])),
      ModelSite(
        model: "Gemma-2-2B", site: "RMS → gate, up → gelu_tanh·mul → down → RMS → + x",
        kernel: Kernel(
          "gemma_2_2b_feed_forward", block.adding(residual: x, mode: .rounded))),
    ]
  }

  /// Inputs of length √2304 = 48 whose gain is folded into the weights; z · 1[z > θ] between.
  private static func gemmaScope(_ layers: ModelLayers) -> [ModelSite] {
    let hidden = 2304
    let features = 16384

    let x = layers.rows("x", hidden).rmsNorm(epsilon: 1e-6, semantics: .gemma)
    let encoded = layers.linear(x, "w_enc", to: features, layout: .inOut)
    let z = encoded + layers.vector("b_enc", features)
    let active = z.select(
      ifGreaterThan: layers.vector("threshold", features), z, else: .constant(0))
    let decoded = layers.linear(active, "w_dec", to: hidden, layout: .inOut)

    return [
      ModelSite(
        model: "Gemma Scope transcoder", site: "RMS → W_enc + b → JumpReLU",
        kernel: Kernel("gemma_scope_features", active)),
      ModelSite(
        model: "Gemma Scope transcoder", site: "RMS → W_enc + b → JumpReLU → W_dec + b",
        kernel: Kernel("gemma_scope_transcoder", decoded + layers.vector("b_dec", hidden))),
    ]
  }
}
