import NormGen

func linearGELURMSNorm() -> Kernel {
  // example: matmul
  let x = Tensor.input("x", [.rows, 384], .f32)
  let w = Tensor.input("w", [384, 1536], .f32)
  let bias = Tensor.input("bias", [1536], .f32)
  let gain = Tensor.input("gain", [1536], .f32)
  let hidden = (x.matmul(w) + bias).gelu()
  let kernel = Kernel("linear_gelu_rms_norm", hidden.rmsNorm(gain: gain))
  // end
  return kernel
}

func blockWeights() -> Kernel {
  // example: block-weights
  let x = Tensor.input("x", [.rows, 4096], .f32)
  let w = Tensor.input("w", [4096, 4096], .q4_K)
  let kernel = Kernel("projection", x.matmul(w, layout: .outIn))
  // end
  return kernel
}

func integerProducts() -> Kernel {
  // example: integer-products
  let x = Tensor.input("x", [.rows, 4096], .f32)
  let w = Tensor.input("w", [4096, 4096], .q4_0)
  let rows = x.quantizedRows(scaling: .factor, group: 32)
  let kernel = Kernel("projection", rows.matmul(w, scaleType: .f16))
  // end
  return kernel
}

/// A layer of eight-bit weights without blocks.
func plainIntegers() -> Kernel {
  // example: plain-integers
  let x = Tensor.input("x", [.rows, 4096], .f32)
  let w = Tensor.input("w", [4096, 4096], .i8)
  let columnScale = Tensor.input("w_scale", [4096], .f32)
  let rows = x.quantizedRows()
  let sums = rows.values.matmul(w, layout: .outIn, accumulate: .int8)
  let kernel = Kernel("projection", sums * rows.scale * columnScale)
  // end
  return kernel
}

// example: call-packed
/// A layer for calls in a loop; kernels that share `weights` need one copy of them.
func boundLayer(
  _ kernel: CompiledKernel, _ x: UnsafeRawBufferPointer, weights: PackedWeights,
  bias: UnsafeRawBufferPointer, gain: UnsafeRawBufferPointer,
  into y: UnsafeMutableRawBufferPointer, rows: Int
) throws(CallError) -> BoundKernel {
  try kernel.bound(
    rows: rows,
    [
      KernelArgument(x), KernelArgument(weights), KernelArgument(bias), KernelArgument(gain),
      KernelArgument(y),
    ])
}

/// Reads plain weights once.
func packedWeights(
  of kernel: CompiledKernel, _ w: UnsafeRawBufferPointer
) throws(CallError) -> PackedWeights {
  try kernel.packed("w", KernelArgument(w))
}
// end

// example: call-computed
/// Computes and packs the effective weights w · scale.
func effectiveWeights(
  of kernel: CompiledKernel, _ w: UnsafeRawBufferPointer, scale: UnsafeRawBufferPointer
) throws(CallError) -> PackedWeights {
  try kernel.packed("effective", ["w": KernelArgument(w), "scale": KernelArgument(scale)])
}
// end
