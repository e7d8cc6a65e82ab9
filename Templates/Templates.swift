extension TemplateFile {
  /// SIMD functions, one file for each target.
  package static let simd: [TemplateFile] = [
    TemplateFile(path: "simd/portable.h.in", bytes: PackageResources.portable_h_in),
    TemplateFile(path: "simd/avx2.h.in", bytes: PackageResources.avx2_h_in),
    TemplateFile(path: "simd/avx512.h.in", bytes: PackageResources.avx512_h_in),
    TemplateFile(path: "simd/neon.h.in", bytes: PackageResources.neon_h_in),
  ]

  /// Functions over the names of any SIMD file, in the order in which they build on each other.
  package static let math: [TemplateFile] = [
    TemplateFile(path: "math/order.h.in", bytes: PackageResources.order_h_in),
    TemplateFile(path: "math/binade.h.in", bytes: PackageResources.binade_h_in),
    TemplateFile(path: "math/storage.h.in", bytes: PackageResources.storage_h_in),
    TemplateFile(path: "math/integers.h.in", bytes: PackageResources.integers_h_in),
    TemplateFile(path: "math/exp.h.in", bytes: PackageResources.exp_h_in),
    TemplateFile(path: "math/log.h.in", bytes: PackageResources.log_h_in),
    TemplateFile(path: "math/tanh.h.in", bytes: PackageResources.tanh_h_in),
    TemplateFile(path: "math/erf.h.in", bytes: PackageResources.erf_h_in),
    TemplateFile(path: "math/sigmoid.h.in", bytes: PackageResources.sigmoid_h_in),
    TemplateFile(path: "math/put.h.in", bytes: PackageResources.put_h_in),
    TemplateFile(path: "math/pairs.h.in", bytes: PackageResources.pairs_h_in),
    TemplateFile(path: "math/bf16_dot.h.in", bytes: PackageResources.bf16_dot_h_in),
    TemplateFile(path: "math/prefetch.h.in", bytes: PackageResources.prefetch_h_in),
    TemplateFile(path: "math/parts.h.in", bytes: PackageResources.parts_h_in),
  ]

  /// An emitted source file.
  package static let kernelSource = TemplateFile(
    path: "files/kernel.c.in", bytes: PackageResources.kernel_c_in)

  /// An emitted header.
  package static let kernelHeader = TemplateFile(
    path: "files/kernel.h.in", bytes: PackageResources.kernel_h_in)

  /// A tile of a matmul's sums, by fused multiply-adds.
  package static let matmulTile = TemplateFile(
    path: "files/matmul_tile.c.in", bytes: PackageResources.matmul_tile_c_in)

  /// A tile of a matmul's sums, by dot products of bf16 pairs.
  package static let matmulDotTile = TemplateFile(
    path: "files/matmul_dot_tile.c.in", bytes: PackageResources.matmul_dot_tile_c_in)

  /// A matmul over a range of panels.
  package static let matmul = TemplateFile(
    path: "files/matmul.c.in", bytes: PackageResources.matmul_c_in)

  /// A block of a panel's weights in the order in which a tile reads them.
  package static let matmulGather = TemplateFile(
    path: "files/matmul_gather.c.in", bytes: PackageResources.matmul_gather_c_in)

  /// The function that packs weights.
  package static let matmulPack = TemplateFile(
    path: "files/matmul_pack.c.in", bytes: PackageResources.matmul_pack_c_in)

  /// The sums over the rows of a panel.
  package static let sumRows = TemplateFile(
    path: "files/sum_rows.c.in", bytes: PackageResources.sum_rows_c_in)

  /// A tile of an outer sum.
  package static let outerSumTile = TemplateFile(
    path: "files/outer_sum_tile.c.in", bytes: PackageResources.outer_sum_tile_c_in)

  /// An outer sum over a range of panels.
  package static let outerSum = TemplateFile(
    path: "files/outer_sum.c.in", bytes: PackageResources.outer_sum_c_in)

  /// Loops whose speed is a limit of the machine.
  package static let limits = TemplateFile(
    path: "measure/limits.c.in", bytes: PackageResources.limits_c_in)
}
