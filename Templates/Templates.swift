extension TemplateFile {
  /// SIMD functions; a target names those that it has.
  package static let simd: [TemplateFile] = [
    TemplateFile("simd/portable.h.in"),
    TemplateFile("simd/avx2.h.in"),
    TemplateFile("simd/avx512.h.in"),
    TemplateFile("simd/avx512vnni.h.in"),
    TemplateFile("simd/avx512bf16.h.in"),
    TemplateFile("simd/neon.h.in"),
    TemplateFile("simd/neondot.h.in"),
  ]

  /// Functions over the names of any SIMD file, in the order in which they build on each other.
  package static let math: [TemplateFile] = [
    TemplateFile("math/order.h.in"),
    TemplateFile("math/binade.h.in"),
    TemplateFile("math/storage.h.in"),
    TemplateFile("math/integers.h.in"),
    TemplateFile("math/float8.h.in"),
    TemplateFile("math/exp.h.in"),
    TemplateFile("math/log.h.in"),
    TemplateFile("math/tanh.h.in"),
    TemplateFile("math/unrolled.h.in"),
    TemplateFile("math/erf.h.in"),
    TemplateFile("math/sigmoid.h.in"),
    TemplateFile("math/put.h.in"),
    TemplateFile("math/pairs.h.in"),
    TemplateFile("math/bf16_dot.h.in"),
    TemplateFile("math/blocks.h.in"),
    TemplateFile("math/prefetch.h.in"),
    TemplateFile("math/parts.h.in"),
  ]

  /// An emitted source file.
  package static let kernelSource = TemplateFile("files/kernel.c.in")

  /// An emitted header.
  package static let kernelHeader = TemplateFile("files/kernel.h.in")

  /// Loops whose speed is a limit of the machine.
  package static let limits = TemplateFile("measure/limits.c.in")
}
