#if arch(x86_64)
  // example: committed-kernel
  import NormGenKernels

  /// Normalizes rows of 128 Float32 elements on a processor with AVX2.
  func normalizeHeads(_ x: [Float], gain: [Float]) -> [Float] {
    let rows = x.count / 128
    var y = [Float](repeating: 0, count: rows * 128)
    rms_norm_128_f32_avx2(Int64(rows), x, 128, gain, &y, 128)
    return y
  }
// end
#endif
