extension TemplateFile {
  /// SIMD functions, one file for each target.
  package static let simd: [TemplateFile] = [
    TemplateFile("simd/portable.h.in"),
    TemplateFile("simd/avx2.h.in"),
    TemplateFile("simd/avx512.h.in"),
    TemplateFile("simd/neon.h.in"),
  ]

  /// Functions over the names of any SIMD file, in the order in which they build on each other.
  package static let math: [TemplateFile] = [
    TemplateFile("math/order.h.in"),
    TemplateFile("math/binade.h.in"),
    TemplateFile("math/storage.h.in"),
    TemplateFile("math/integers.h.in"),
    TemplateFile("math/exp.h.in"),
    TemplateFile("math/log.h.in"),
    TemplateFile("math/tanh.h.in"),
    TemplateFile("math/erf.h.in"),
    TemplateFile("math/sigmoid.h.in"),
    TemplateFile("math/put.h.in"),
    TemplateFile("math/pairs.h.in"),
    TemplateFile("math/bf16_dot.h.in"),
    TemplateFile("math/prefetch.h.in"),
    TemplateFile("math/parts.h.in"),
  ]

  /// An emitted source file.
  package static let kernelSource = TemplateFile("files/kernel.c.in")

  /// An emitted header.
  package static let kernelHeader = TemplateFile("files/kernel.h.in")

  /// A tile of a matmul's sums, by fused multiply-adds.
  package static let matmulTile = TemplateFile("files/matmul_tile.c.in")

  /// A tile of a matmul's sums, by dot products of bf16 pairs.
  package static let matmulDotTile = TemplateFile("files/matmul_dot_tile.c.in")

  /// A matmul over a range of panels.
  package static let matmul = TemplateFile("files/matmul.c.in")

  /// A block of a panel's weights in the order in which a tile reads them.
  package static let matmulGather = TemplateFile("files/matmul_gather.c.in")

  /// The function that packs weights.
  package static let matmulPack = TemplateFile("files/matmul_pack.c.in")

  /// The sums over the rows of a panel.
  package static let sumRows = TemplateFile("files/sum_rows.c.in")

  /// A tile of an outer sum.
  package static let outerSumTile = TemplateFile("files/outer_sum_tile.c.in")

  /// An outer sum over a range of panels.
  package static let outerSum = TemplateFile("files/outer_sum.c.in")

  /// Loops whose speed is a limit of the machine.
  package static let limits = TemplateFile("measure/limits.c.in")
}
