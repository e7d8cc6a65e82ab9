import NormGenDSL
import NormGenIR

extension Models {
  /// The patterns of Mirage's paper at its shapes; weights [in, out], as it writes x · W.
  static func mirage(_ accumulation: Matmul.Accumulation) -> [ModelSite] {
    let layers = ModelLayers(.bf16, accumulation)
    let hidden = 4096

    func rms(_ x: Tensor) -> Tensor {
      x.rmsNorm(gain: layers.vector("gain", hidden), epsilon: 1e-5, semantics: .llama)
    }
    func site(_ site: String, _ name: String, _ value: Tensor, rows: [Int]) -> ModelSite {
      ModelSite(model: "Mirage", site: site, kernel: Kernel("mirage_\(name)", value), rows: rows)
    }
    func linear(_ x: Tensor, _ weights: String, to extent: Int) -> Tensor {
      layers.linear(x, weights, to: extent, layout: .inOut)
    }

    let x = layers.rows("x", hidden)
    let product = linear(x, "w", to: hidden)

    let h = linear(layers.rows("h", hidden), "w", to: hidden)
    let alpha = layers.vector("alpha", hidden)
    let step = alpha * (h.l2Norm() - x)
    let blended = (x + step).l2Norm().stored(as: .bf16)

    let gate = linear(x, "w_gate", to: hidden)
    let up = linear(x, "w_up", to: hidden)
    let gated = layers.returned(layers.returned(gate.silu()) * up)

    return [
      site("RMS → linear", "rms_linear_4096", linear(rms(x), "w", to: hidden), rows: [16]),
      site("RMS → linear", "rms_linear_6144", linear(rms(x), "w", to: 6144), rows: [1]),
      site("RMS → linear", "rms_linear_28672", linear(rms(x), "w", to: 28672), rows: [1]),
      site("linear → RMS", "linear_rms_4096", rms(product), rows: [1, 16]),
      site("nGPT: Norm(x + α·(Norm(h·W) − x))", "ngpt_4096", blended, rows: [1, 16]),
      site("gated MLP: silu(x·W)·(x·V)", "gated_4096", gated, rows: [1, 16]),
    ]
  }
}
