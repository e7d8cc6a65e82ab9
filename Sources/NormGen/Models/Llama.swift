import NormGenDSL
import NormGenIR

extension Models {
  /// LLaMA-3-8B: hidden 4096, inter 14336, 32 heads of 128 with 8 keys.
  static func llama(_ accumulation: Matmul.Accumulation) -> [ModelSite] {
    let layers = ModelLayers(.bf16, accumulation)
    let normed = layers.rows("x", 4096).rmsNorm(
      gain: layers.vector("gain", 4096), epsilon: 1e-5, semantics: .llama)
    return [
      ModelSite(
        model: "LLaMA-3-8B", site: "RMS → qkv",
        kernel: Kernel("llama_3_8b_qkv", layers.linear(normed, "w_qkv", to: 6144))),
      ModelSite(
        model: "LLaMA-3-8B", site: "RMS → gate, up → silu·mul",
        kernel: Kernel("llama_3_8b_gated", layers.gated(normed, 14336))),
    ]
  }
}
