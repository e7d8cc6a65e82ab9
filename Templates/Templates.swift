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

  /// Loops whose speed is a limit of the machine.
  package static let limits = TemplateFile(
    path: "measure/limits.c.in", bytes: PackageResources.limits_c_in)
}
