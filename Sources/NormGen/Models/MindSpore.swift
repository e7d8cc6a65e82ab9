import NormGenDSL
import NormGenIR

extension Models {
  /// MindSpore's norm.py: x · rsqrt(mean(x²) + ε) · w + b over the last axis, ε = 1e-5, with the
  /// factor rstd as a second output.
  static func mindSpore() -> [ModelSite] {
    func norm(shift: Tensor?) -> Normalization {
      ModelLayers(.f32).rows("x", 4096).rmsNormalization(
        gain: ModelLayers(.f32).vector("gain", 4096), shift: shift, epsilon: 1e-5)
    }
    let plain = norm(shift: nil)
    let shifted = norm(shift: ModelLayers(.f32).vector("shift", 4096))
    return [
      ModelSite(
        model: "MindSpore norm.py", site: "RMS with rstd",
        kernel: Kernel(
          "mindspore_rms_norm", outputs: ["y": plain.output, "rstd": plain.inverseDeviation])),
      ModelSite(
        model: "MindSpore norm.py", site: "RMS + bias with rstd",
        kernel: Kernel(
          "mindspore_rms_norm_bias",
          outputs: ["y": shifted.output, "rstd": shifted.inverseDeviation])),
    ]
  }
}
