import NormGen

func residualModes() -> [Kernel] {
  // example: residual-modes
  let x = Tensor.input("x", [.rows, 4096], .bf16)
  let residual = Tensor.input("residual", [.rows, 4096], .bf16)
  let gain = Tensor.input("gain", [4096], .bf16)

  // Mode A: the sum is rounded, and what is stored is what is normalized.
  let rounded = x.adding(residual: residual, mode: .rounded)
  let modeA = Kernel(
    "add_rms_norm_a",
    outputs: ["hidden": rounded, "normed": rounded.rmsNorm(gain: gain, semantics: .llama)])

  // Mode B: the Float32 sum is normalized, and rounded only where it is stored.
  let sum = x.adding(residual: residual, mode: .unrounded)
  let modeB = Kernel(
    "add_rms_norm_b", outputs: ["hidden": sum, "normed": sum.rmsNorm(gain: gain)])
  // end
  return [modeA, modeB]
}

func quantizedRows() -> Kernel {
  // example: quantized-rows
  let x = Tensor.input("x", [.rows, 4096], .bf16)
  let gain = Tensor.input("gain", [4096], .bf16)
  let rows = x.rmsNorm(gain: gain).quantizedRows(scaling: .reciprocal)
  let kernel = Kernel("rms_norm_i8", outputs: ["q": rows.values, "scale": rows.scale])
  // end
  return kernel
}

func scaledStatistics() -> Kernel {
  // example: scaled-statistics
  let x = Tensor.input("x", [.rows, 4096], .bf16)
  let gain = Tensor.input("gain", [4096], .bf16)
  let kernel = Kernel(
    "scaled_rms_norm", x.rmsNorm(gain: gain, range: .scaled, semantics: .llama))
  // end
  return kernel
}

func ownSemantics() -> Kernel {
  // example: own-semantics
  var semantics = RMSNormSemantics.llama
  semantics.epsilonPlacement = .maximum
  semantics.gainOffset = 1

  let x = Tensor.input("x", [.rows, 512], .f16)
  let gain = Tensor.input("gain", [512], .f32)
  let kernel = Kernel("own_rms_norm", x.rmsNorm(gain: gain, epsilon: 1e-5, semantics: semantics))
  // end
  return kernel
}

// example: canonical-sum
/// Σ x² in the canonical order, bit for bit as every kernel computes it.
func canonicalSumOfSquares(_ x: [Float]) -> Float {
  var total: Float?
  for start in stride(from: 0, to: x.count, by: SumOrder.block) {
    var partials = [Float](repeating: 0, count: SumOrder.partials)
    for i in start..<min(start + SumOrder.block, x.count) {
      let partial = i % SumOrder.partials
      partials[partial].addProduct(x[i], x[i])
    }
    for step in [32, 16, 8, 4, 2, 1] {
      for partial in 0..<step { partials[partial] += partials[partial + step] }
    }
    total = total.map { $0 + partials[0] } ?? partials[0]
  }
  return total ?? 0
}
// end
