import NormGenDSL
import NormGenIR

extension Models {
  /// Baichuan-7B and its conversion to LLaMA's modules: hidden 4096, inter 11008, 32 heads of 128.
  static func baichuan(_ accumulation: Matmul.Accumulation) -> [ModelSite] {
    let layers = ModelLayers(.f16, accumulation)
    let hidden = 4096
    let inter = 11008

    func rms(_ x: Tensor, _ semantics: RMSNormSemantics = .t5) -> Tensor {
      x.rmsNorm(gain: layers.vector("gain", hidden), epsilon: 1e-6, semantics: semantics)
    }

    let x = layers.rows("x", hidden)
    let packed = layers.linear(rms(x), "w_pack", to: 3 * hidden)

    let projected = layers.linear(layers.rows("o", hidden), "w_o", to: hidden)
    let state = projected.adding(residual: layers.rows("residual", hidden), mode: .rounded)

    let product = layers.gated(rms(x), inter)
    let next = layers.linear(product, "w_down", to: hidden).adding(residual: x, mode: .rounded)

    let normed = rms(x, .llama)
    return [
      ModelSite(
        model: "Baichuan-7B", site: "RMS → W_pack", kernel: Kernel("baichuan_7b_pack", packed)),
      ModelSite(
        model: "Baichuan-7B", site: "o_proj + residual → RMS",
        kernel: Kernel(
          "baichuan_7b_attention_output", outputs: ["hidden": state, "normed": rms(state)])),
      ModelSite(
        model: "Baichuan-7B", site: "RMS → gate, up → silu·mul → down + residual",
        kernel: Kernel("baichuan_7b_feed_forward", next)),
      ModelSite(
        model: "baichuan-llama-7b", site: "RMS → q, k, v",
        kernel: Kernel(
          "baichuan_llama_7b_qkv",
          outputs: [
            "q": layers.linear(normed, "w_q", to: hidden),
            "k": layers.linear(normed, "w_k", to: hidden),
            "v": layers.linear(normed, "w_v", to: hidden),
          ])),
    ]
  }

  /// Baichuan-7B in the blocks of llama.cpp's files and in groups as GPTQ has them: by their values and, as
  /// llama.cpp runs blocks, by rows of integers. And in i8 with a scale for each output, by rows of integers.
  static func baichuanInBlocks() -> [ModelSite] {
    let groups = BlockFormat.grouped(bits: 4, group: 128, hasZeroPoints: true)
    return [BlockFormat.q4_0, .q8_0, groups].flatMap { format in
      [false, true].flatMap { baichuan(in: format, quantizesRows: $0) }
    } + baichuan(in: nil, quantizesRows: true)
  }

  private static func baichuan(in format: BlockFormat?, quantizesRows: Bool) -> [ModelSite] {
    let layers = ModelLayers(.f32, weights: format, quantizesRows: quantizesRows)
    let hidden = 4096
    let x = layers.rows("x", hidden)
    let normed = x.rmsNorm(gain: layers.vector("gain", hidden), epsilon: 1e-6)
    let down = layers.linear(layers.gated(normed, 11008), "w_down", to: hidden)
    let type = format?.name ?? DType.i8.rawValue
    let model = "Baichuan-7B in \(type)" + (quantizesRows ? ", int8 rows" : "")
    let suffix = type + (quantizesRows ? "_int8" : "")
    return [
      ModelSite(
        model: model, site: "RMS → W_pack",
        kernel: Kernel(
          "baichuan_7b_pack_\(suffix)", layers.linear(normed, "w_pack", to: 3 * hidden))),
      ModelSite(
        model: model, site: "RMS → gate, up → silu·mul → down + residual",
        kernel: Kernel("baichuan_7b_feed_forward_\(suffix)", down + x)),
    ]
  }
}
