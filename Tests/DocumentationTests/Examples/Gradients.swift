import NormGen

/// The gradient that the article shows.
enum GradientExample {
  static func kernels() throws -> (forward: Kernel, backward: Kernel) {
    // example: gradient
    let x = Tensor.input("x", [.rows, 4096], .bf16)
    let gain = Tensor.input("gain", [4096], .bf16)
    let kernel = Kernel("rms_norm", x.rmsNorm(gain: gain))
    let backward = try kernel.gradient()
    // end
    return (kernel, backward)
  }
}
