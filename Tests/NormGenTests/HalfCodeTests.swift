import NormGen
import Testing

/// Halves are compared in vectors, as Float32.
///
/// Clang turns a comparison of widened halves into one of halves, which x86 without AVX512-FP16 can
/// only do lane by lane.
@Suite struct HalfCodeTests {
  @Test(arguments: ["bf16(x)", "relu(x)", "silu(x)"], [Target.avx2, .avx512, .avx512bf16])
  func comparisonsStayInVectors(value: String, target: Target) throws {
    for output in [DType.f16, .bf16, .f32] {
      let graph = try GraphParser.graphs(
        in: "kernel k(x: f16[rows, 256]) {\n  y = \(value)\n} -> y: \(output)\n")[0]
      let compiler = Compiler(target: target)
      let assembly = try compiler.assembly(of: try compiler.lower(graph))
      #expect(!assembly.contains("comiss"), "\(value) to \(output)")
    }
  }
}
