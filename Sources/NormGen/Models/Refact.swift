import NormGenDSL
import NormGenIR

extension Models {
  /// Refact-1.6B: hidden 2048, inter 5632, 32 heads of 64 with one key; LayerNorm without shift.
  static func refact(_ accumulation: Matmul.Accumulation) -> [ModelSite] {
    let layers = ModelLayers(.bf16, accumulation)
    let hidden = 2048

    let x = layers.rows("x", hidden)
    let normed = x.layerNorm(
      gain: layers.vector("gain", hidden), epsilon: 1e-5, semantics: .torch)
    let inner = layers.gated(normed, 5632)
    let block = layers.linear(inner, "w_down", to: hidden)

    return [
      ModelSite(
        model: "Refact-1.6B", site: "LN → q, k, v",
        kernel: Kernel(
          "refact_qkv",
          outputs: [
            "q": layers.linear(normed, "w_q", to: hidden),
            "k": layers.linear(normed, "w_k", to: 64),
            "v": layers.linear(normed, "w_v", to: 64),
          ])),
      ModelSite(
        model: "Refact-1.6B", site: "LN → gate, up → silu·mul → down + residual",
        kernel: Kernel("refact_feed_forward", block.adding(residual: x, mode: .rounded))),
    ]
  }
}
