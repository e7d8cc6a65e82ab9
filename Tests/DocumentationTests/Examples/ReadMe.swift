// example: readme
import NormGen

func addRMSNorm() -> Kernel {
  let x = Tensor.input("x", [.rows, 4096], .bf16)
  let residual = Tensor.input("residual", [.rows, 4096], .bf16)
  let gain = Tensor.input("gain", [4096], .bf16)
  let hidden = (x + residual).rounded(to: .bf16)
  let normed = hidden.rmsNorm(gain: gain, semantics: .llama)
  return Kernel("add_rms_norm", outputs: ["hidden": hidden, "normed": normed])
}
// end

func readMeCall(
  x: HostTensor, residual: HostTensor, gain: HostTensor
) throws -> [String: HostTensor] {
  // example: readme-call
  let kernel = try Compiler().compile(addRMSNorm())
  let outputs = try kernel(["x": x, "residual": residual, "gain": gain])
  // end
  return outputs
}

// example: readme-norm
extension Tensor {
  /// Division by the largest magnitude of the row, kept from zero by epsilon.
  func peakNorm(gain: Tensor, epsilon: Float = 1e-6) -> Tensor {
    Tensor.composed("peak_norm") {
      let peak = absolute().rowMaximum().named("peak")
      return (self / (peak + epsilon)) * gain
    }
  }
}
// end
