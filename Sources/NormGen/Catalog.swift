public import NormGenDSL
import NormGenIR

/// Kernels by name, for the CLI, the benchmarks and the committed sources.
public struct Catalog: Sendable {
  /// A kernel and what it is for.
  public struct Entry: Sendable {
    /// The kernel.
    public let kernel: Kernel
    /// One line: the model or paper it serves.
    public let summary: String

    /// Creates an entry.
    public init(_ kernel: Kernel, _ summary: String) {
      self.kernel = kernel
      self.summary = summary
    }
  }

  /// The entries, in order.
  public var entries: [Entry]

  /// Creates a catalog.
  public init(_ entries: [Entry]) {
    self.entries = entries
  }

  /// The entry whose kernel is called `name`.
  public subscript(name: String) -> Entry? { entries.first { $0.kernel.name == name } }
}

extension Catalog {
  /// The kernels that come with NormGen, with the shapes of real models.
  public static let standard = Catalog(
    rmsNorms + presets + residuals + layerNorms + heads + partials + compositions
      + quantizations + matmuls)

  private static func rms(
    _ hidden: Int, _ type: DType, gain gainType: DType? = nil, name: String? = nil,
    epsilon: Float = 1e-6, statistics: StatisticWindow = .all, range: StatisticRange = .plain,
    semantics: RMSNormSemantics = .fused, _ summary: String
  ) -> Entry {
    let x = Tensor.input("x", [.rows, .fixed(hidden)], type)
    let gain = Tensor.input("gain", [.fixed(hidden)], gainType ?? type)
    let y = x.rmsNorm(
      gain: gain, epsilon: epsilon, statistics: statistics, range: range, semantics: semantics)
    return Entry(
      Kernel("\(name ?? "rms_norm")_\(hidden)_\(type.rawValue)", y.stored(as: type)), summary)
  }

  private static let rmsNorms: [Entry] = [
    rms(128, .f32, "one head of most LLaMA models"),
    rms(512, .f32, "the paper's Transformer base"),
    rms(768, .f32, "base-size encoders"),
    rms(1024, .bf16, "the paper's GRU"),
    rms(4096, .f32, "LLaMA-7B size in Float32"),
    rms(4096, .bf16, "LLaMA-7B size, nothing rounded before the end"),
    rms(8192, .bf16, "LLaMA-70B size"),
    rms(
      4096, .f32, name: "scaled_rms_norm", range: .scaled,
      "rows of any size: scaled statistics that neither overflow nor underflow"),
  ]

  private static let presets: [Entry] = [
    rms(
      4096, .bf16, name: "llama_rms_norm", epsilon: 1e-5, semantics: .llama,
      "LLaMA-3-8B, Mistral, Qwen: rounded to bf16 before the gain"),
    rms(
      4096, .f16, name: "baichuan_rms_norm", semantics: .t5,
      "Baichuan-7B: rounded to the gain's type before the gain"),
    rms(
      2304, .bf16, name: "gemma_rms_norm", semantics: .gemma,
      "Gemma-2-2B: gain 1 + g, one rounding"),
    rms(512, .f32, name: "t5_rms_norm", semantics: .t5, "T5 small"),
    rms(
      4096, .bf16, name: "torch_rms_norm", epsilon: 0x1p-23, semantics: .torch,
      "torch.nn.functional.rms_norm with its default epsilon"),
    rms(
      1024, .f16, name: "onnx_rms_norm", epsilon: 1e-5, semantics: .onnx,
      "ONNX RMSNormalization-23, stash_type f32"),
    rms(
      1024, .f32, name: "paper_rms_norm", epsilon: 1e-8, semantics: .paperTorch,
      "the paper's PyTorch code: epsilon outside the root"),
  ]

  private static let residuals: [Entry] = {
    func add(
      _ name: String, _ hidden: Int, _ type: DType, rounds: Bool, semantics: RMSNormSemantics,
      _ summary: String
    ) -> Entry {
      let x = Tensor.input("x", [.rows, .fixed(hidden)], type)
      let residual = Tensor.input("residual", [.rows, .fixed(hidden)], type)
      let gain = Tensor.input("gain", [.fixed(hidden)], type)
      let sum = x + residual
      let hiddenState = rounds && type != .f32 ? sum.rounded(to: type) : sum
      let normed = hiddenState.rmsNorm(gain: gain, semantics: semantics)
      return Entry(
        Kernel(
          "\(name)_\(hidden)_\(type.rawValue)",
          outputs: ["hidden": hiddenState, "normed": normed]), summary)
    }
    return [
      add("add_rms_norm", 4096, .f32, rounds: false, semantics: .fused, "residual and RMSNorm"),
      add(
        "add_rms_norm", 4096, .bf16, rounds: true, semantics: .llama,
        "residual mode A: the sum is rounded, then normalized (Hugging Face)"),
      add(
        "add_rms_norm_unrounded", 4096, .bf16, rounds: false, semantics: .fused,
        "residual mode B: the unrounded sum is normalized (FlashInfer, sglang)"),
    ]
  }()

  private static let layerNorms: [Entry] = {
    func layer(
      _ name: String, _ hidden: Int, _ type: DType, epsilon: Float, shift hasShift: Bool = true,
      semantics: LayerNormSemantics = .fused, _ summary: String
    ) -> Entry {
      let x = Tensor.input("x", [.rows, .fixed(hidden)], type)
      let gain = Tensor.input("gain", [.fixed(hidden)], type)
      let shift = hasShift ? Tensor.input("shift", [.fixed(hidden)], type) : nil
      let y = x.layerNorm(gain: gain, shift: shift, epsilon: epsilon, semantics: semantics)
      return Entry(Kernel("\(name)_\(hidden)_\(type.rawValue)", y.stored(as: type)), summary)
    }
    return [
      layer("layer_norm", 384, .f32, epsilon: 1e-12, "all-MiniLM-L6-v2"),
      layer("layer_norm", 768, .f32, epsilon: 1e-5, "BERT and GPT-2 base"),
      layer("layer_norm", 1280, .f16, epsilon: 1e-5, "Idefics' perceiver"),
      layer("layer_norm", 4096, .f32, epsilon: 1e-5, "LayerNorm beside RMSNorm at 4096"),
      layer("layer_norm", 4096, .bf16, epsilon: 1e-5, "LayerNorm beside RMSNorm at 4096"),
      layer(
        "refact_layer_norm", 2048, .bf16, epsilon: 1e-5, shift: false,
        "Refact-1.6B: LayerNorm without shift"),
      layer(
        "torch_layer_norm", 1024, .bf16, epsilon: 1e-5, semantics: .torch,
        "torch.nn.functional.layer_norm"),
    ]
  }()

  private static let heads: [Entry] = {
    func head(_ heads: Int, _ size: Int, _ semantics: RMSNormSemantics, _ summary: String) -> Entry
    {
      let q = Tensor.input("q", [.rows, .fixed(heads), .fixed(size)], .bf16)
      let gain = Tensor.input("gain", [.fixed(size)], .bf16)
      return Entry(
        Kernel("qk_norm_\(heads)x\(size)_bf16", q.rmsNorm(gain: gain, semantics: semantics)),
        summary)
    }
    return [
      head(32, 128, .llama, "QK-norm of 32 heads, such as Idefics' and Qwen's"),
      head(8, 256, .gemma, "QK-norm of Gemma's 8 heads"),
    ]
  }()

  private static let partials: [Entry] = [
    rms(
      512, .f32, name: "partial_rms_norm", statistics: .leading(fraction: 0.0625),
      "the paper's partial RMSNorm, first 6.25 %"),
    rms(
      4096, .f32, name: "partial_rms_norm", statistics: .leading(fraction: 0.0625),
      "partial RMSNorm, first 6.25 %"),
    rms(
      4096, .bf16, name: "partial_rms_norm", statistics: .leading(fraction: 0.0625),
      "partial RMSNorm, first 6.25 %"),
  ]

  private static let quantizations: [Entry] = [DType.f32, .bf16].map { type in
    let x = Tensor.input("x", [.rows, 4096], type)
    let gain = Tensor.input("gain", [4096], type)
    let quantized = x.rmsNorm(gain: gain).quantizedRows()
    return Entry(
      Kernel(
        "rms_norm_i8_4096_\(type.rawValue)",
        outputs: ["q": quantized.values, "scale": quantized.scale]),
      "RMSNorm quantized to int8, one scale a row")
  }

  private static let compositions: [Entry] = {
    let x = Tensor.input("x", [.rows, 768], .f32)
    let bias = Tensor.input("bias", [768], .f32)
    let gain = Tensor.input("gain", [768], .f32)
    let shift = Tensor.input("shift", [768], .f32)
    let biased = x + bias
    let activated = biased.gelu()

    let z = Tensor.input("z", [.rows, 2304], .bf16)

    let o = Tensor.input("o", [.rows, 2304], .bf16)
    let residual = Tensor.input("residual", [.rows, 2304], .bf16)
    let postGain = Tensor.input("post_gain", [2304], .bf16)
    let preGain = Tensor.input("pre_gain", [2304], .bf16)
    let post = o.rmsNorm(gain: postGain, semantics: .gemma)
    let hidden = (residual + post).rounded(to: .bf16)

    let state = Tensor.input("h", [.rows, 1024], .f32)
    let block = Tensor.input("block", [.rows, 1024], .f32)
    let alpha = Tensor.input("alpha", [1024], .f32)
    let step = block.l2Norm() - state

    let a = Tensor.input("x", [.rows, 4096], .f32)
    let g = Tensor.input("gain", [4096], .f32)
    let parts = a.rmsNormalization(gain: g)
    return [
      Entry(
        Kernel("bias_gelu_layer_norm_768_f32", activated.layerNorm(gain: gain, shift: shift)),
        "bias, exact gelu and LayerNorm in one kernel"),
      Entry(
        Kernel("gemma_scope_norm_2304_bf16", z.rmsNorm()),
        "gainless RMSNorm in front of Gemma Scope's transcoders"),
      Entry(
        Kernel(
          "gemma_sandwich_2304_bf16",
          outputs: [
            "hidden": hidden, "normed": hidden.rmsNorm(gain: preGain, semantics: .gemma),
          ]), "Gemma-2-2B: norm, residual, norm in one kernel"),
      Entry(
        Kernel("ngpt_update_1024_f32", (state + alpha * step).l2Norm()),
        "nGPT: Norm(h + α(Norm(block) − h))"),
      Entry(
        Kernel(
          "rms_norm_with_rstd_4096_f32",
          outputs: ["y": parts.output, "rstd": parts.inverseDeviation]),
        "RMSNorm that keeps rstd for the backward pass"),
    ]
  }()
}
