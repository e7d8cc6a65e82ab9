import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// The fused form of kernels, pass by pass, and what the emitter makes of deep expressions.
@Suite struct StageTests {
  static let names = [
    "rms_norm_4096_bf16", "add_rms_norm_4096_bf16", "layer_norm_384_f32", "qk_norm_32x128_bf16",
    "partial_rms_norm_512_f32", "gemma_sandwich_2304_bf16", "ngpt_update_1024_f32",
    "rms_norm_with_rstd_4096_f32",
  ]

  @Test(arguments: names)
  func fusedFormIsItsGolden(name: String) throws {
    let entry = try #require(Catalog.standard[name])
    let regions = try FusionPlanner.plan(of: entry.kernel.graph()).regions
    let text = regions.map { RegionPrinter.text(of: $0) }.joined(separator: "\n")
    try Goldens().compare(text, "\(name).region")
  }

  /// C compilers accept 256 open parentheses; a value may be nested deeper, in a row or in a scalar.
  @Test(arguments: [100, 240, 300, 900])
  func deepExpressionsCompile(depth: Int) throws {
    let x = Tensor.input("x", [.rows, 12], .f32)
    let gain = Tensor.input("gain", [12], .f32)
    let value = (0..<depth).reduce(x) { value, _ in gain.maximum(value) }
    let peak = x.rowMaximum()
    let scalar = (0..<depth / 2).reduce(peak) { value, _ in (-value).maximum(peak) }
    for (name, result) in [("deep", value), ("deep_scalar", x * scalar)] {
      let graph = try Kernel("\(name)_\(depth)", result).graph()
      let checks = try KernelCheck.checks(
        of: Compiler(target: .portable).lower(graph), rows: [2], seed: 3,
        compiler: Compiler(target: .portable))
      let failed = checks.filter { !$0.passes }
      #expect(failed.isEmpty)
    }
  }
}
