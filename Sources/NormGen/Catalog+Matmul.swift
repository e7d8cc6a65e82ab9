import NormGenDSL
import NormGenIR

extension Catalog {
  /// Kernels around matmuls; weights lie [in, out] or, as PyTorch's `Linear` has them, [out, in].
  static let matmuls: [Entry] = mirage + feedForward + attention + blocks

  /// The patterns of Mirage's benchmarks.
  private static let mirage: [Entry] = {
    let x = Tensor.input("x", [.rows, 4096], .f32)
    let gain = Tensor.input("gain", [4096], .f32)
    let w = Tensor.input("w", [4096, 4096], .f32)

    let token = Tensor.input("x", [.rows, 4096], .bf16)
    let tokenGain = Tensor.input("gain", [4096], .bf16)
    let projections = Tensor.input("w_qkv", [6144, 4096], .bf16)
    let gateWeights = Tensor.input("w_gate", [14336, 4096], .bf16)
    let upWeights = Tensor.input("w_up", [14336, 4096], .bf16)
    let normed = token.rmsNorm(gain: tokenGain, epsilon: 1e-5, semantics: .llama)
    let gate = normed.matmul(gateWeights, layout: .outIn, accumulate: .bf16Dot)
    let up = normed.matmul(upWeights, layout: .outIn, accumulate: .bf16Dot)

    let state = Tensor.input("h", [.rows, 1024], .f32)
    let attention = Tensor.input("a", [.rows, 1024], .f32)
    let out = Tensor.input("w", [1024, 1024], .f32)
    let alpha = Tensor.input("alpha", [1024], .f32)
    let step = attention.matmul(out).l2Norm() - state
    return [
      Entry(
        Kernel("rms_norm_linear_4096_4096_f32", x.rmsNorm(gain: gain).matmul(w)),
        "Mirage: RMSNorm, then a matrix, in one pass over x"),
      Entry(
        Kernel(
          "rms_norm_qkv_4096_6144_bf16",
          outputs: [Kernel.Output("qkv", normed.matmul(projections, layout: .outIn), as: .bf16)]),
        "LLaMA-3-8B: RMSNorm, then q, k and v as one matrix"),
      Entry(
        Kernel("rms_norm_gated_mlp_4096_14336_bf16", gate.silu() * up),
        "LLaMA-3-8B: RMSNorm, then silu(gate) · up, by bf16 dot products"),
      Entry(
        Kernel("linear_rms_norm_4096_4096_f32", x.matmul(w).rmsNorm(gain: gain)),
        "Mirage: a matrix, then RMSNorm"),
      Entry(
        Kernel("linear_ngpt_update_1024_f32", (state + alpha * step).l2Norm()),
        "nGPT: Norm(h + α(Norm(aW) − h))"),
    ]
  }()

  private static let feedForward: [Entry] = {
    func wide(_ type: DType, _ accumulation: Matmul.Accumulation, _ summary: String) -> Entry {
      let x = Tensor.input("x", [.rows, 768], type)
      let w = Tensor.input("w", [768, 3072], type)
      let bias = Tensor.input("bias", [3072], type)
      let gain = Tensor.input("gain", [3072], type)
      let activated = (x.matmul(w, accumulate: accumulation) + bias).gelu()
      return Entry(
        Kernel("linear_gelu_rms_norm_768_3072_\(type.rawValue)", activated.rmsNorm(gain: gain)),
        summary)
    }

    let x = Tensor.input("x", [.rows, 384], .f32)
    let up = Tensor.input("w_up", [384, 1536], .f32)
    let upBias = Tensor.input("b_up", [1536], .f32)
    let hidden = Tensor.input("hidden", [.rows, 1536], .f32)
    let residual = Tensor.input("residual", [.rows, 384], .f32)
    let down = Tensor.input("w_down", [1536, 384], .f32)
    let downBias = Tensor.input("b_down", [384], .f32)
    let gain = Tensor.input("gain", [384], .f32)
    let shift = Tensor.input("shift", [384], .f32)
    let direction = Tensor.input("v", [1536, 384], .f32)
    let length = Tensor.input("g", [1536, 1], .f32)
    let sum = (hidden.matmul(down) + downBias) + residual
    return [
      wide(.f32, .fused, "linear, bias, exact gelu and RMSNorm in one kernel"),
      wide(.bf16, .bf16Dot, "linear, bias, exact gelu and RMSNorm by bf16 dot products"),
      Entry(
        Kernel("linear_gelu_384_1536_f32", (x.matmul(up) + upBias).gelu()),
        "all-MiniLM-L6-v2: the first half of its feed-forward layers"),
      Entry(
        Kernel(
          "weight_norm_linear_gelu_384_1536_f32",
          (x.matmul(direction.weightNorm(gain: length), layout: .outIn) + upBias).gelu()),
        "WeightNorm's weights, normalized when they are packed, then bias and exact gelu"),
      Entry(
        Kernel(
          "linear_residual_layer_norm_1536_384_f32",
          sum.layerNorm(gain: gain, shift: shift, epsilon: 1e-12)),
        "all-MiniLM-L6-v2: the second half, with residual and LayerNorm"),
    ]
  }()

  private static let attention: [Entry] = {
    let x = Tensor.input("x", [.rows, 4096], .bf16)
    let gain = Tensor.input("gain", [4096], .bf16)
    let normed = x.rmsNorm(gain: gain, semantics: .llama)
    func heads(_ letter: String, _ count: Int) -> Tensor {
      let w = Tensor.input("w_\(letter)", [.fixed(128 * count), 4096], .bf16)
      let product = normed.matmul(w, layout: .outIn, accumulate: .bf16Dot)
      return product.rounded(to: .bf16).reshaped([.rows, .fixed(count), 128])
    }
    func normalized(_ heads: Tensor, _ letter: String) -> Tensor {
      let gain = Tensor.input("\(letter)_gain", [128], .bf16)
      return heads.rmsNorm(gain: gain, semantics: .llama)
    }
    let q = normalized(heads("q", 32), "q")
    let k = normalized(heads("k", 8), "k")
    return [
      Entry(
        Kernel("rms_norm_qkv_qk_norm_32x128_bf16", outputs: ["q": q, "k": k, "v": heads("v", 8)]),
        "Qwen3-8B: RMSNorm, q, k and v, and the norm of each head of q and k")
    ]
  }()

  /// Models whose weights lie in quantized blocks.
  private static let blocks: [Entry] = {
    let x = Tensor.input("x", [.rows, 4096], .f32)
    let gain = Tensor.input("gain", [4096], .f32)
    let normed = x.rmsNorm(gain: gain, epsilon: 1e-6)
    let pack = Tensor.input("w_pack", [12288, 4096], .q4_0)
    let rows = normed.quantizedRows(scaling: .factor, group: 32)
    let groups = BlockFormat.grouped(bits: 4, group: 128, hasZeroPoints: true)
    let packInGroups = Tensor.input("w_pack", [12288, 4096], groups)
    let rowsInGroups = normed.quantizedRows(scaling: .factor, group: 128)
    return [
      Entry(
        Kernel(
          "rms_norm_qkv_4096_12288_u4_g128_int8",
          outputs: [Kernel.Output("qkv", rowsInGroups.matmul(packInGroups))]),
        "Baichuan-7B by GPTQ: RMSNorm, rows as integers, then q, k and v in groups of 128 with zero points"
      ),
      Entry(
        Kernel(
          "rms_norm_qkv_4096_12288_q4_0_int8",
          outputs: [Kernel.Output("qkv", rows.matmul(pack, scaleType: .f16))]),
        "Baichuan-7B with the bits of llama.cpp: RMSNorm, rows as integers, then q, k and v in q4_0 blocks"
      ),
      Entry(
        Kernel(
          "rms_norm_qkv_4096_12288_q4_0",
          outputs: [Kernel.Output("qkv", normed.matmul(pack, layout: .outIn))]),
        "Baichuan-7B by llama.cpp: RMSNorm, then q, k and v as one matrix in q4_0 blocks"),
    ]
  }()
}
