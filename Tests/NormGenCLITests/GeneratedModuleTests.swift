import NormGen
import NormGenKernels
import Testing

/// The committed kernels as a C module in Swift.
@Suite struct GeneratedModuleTests {
  #if arch(x86_64)
    private static let target = Target.avx2
    private static let kernel = rms_norm_128_f32_avx2
  #elseif arch(arm64)
    private static let target = Target.neon
    private static let kernel = rms_norm_128_f32_neon
  #endif

  @Test(.enabled(if: HostCPU.current.supports(GeneratedModuleTests.target)))
  func aCommittedKernelAgreesWithTheOracle() throws {
    let entry = try #require(Catalog.standard["rms_norm_128_f32"])
    let graph = try entry.kernel.graph()
    let rows = 3
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 11)
    let x = try #require(inputs["x"]).doubles.map { Float($0) }
    let gain = try #require(inputs["gain"]).doubles.map { Float($0) }
    var y = [Float](repeating: .nan, count: rows * 128)
    Self.kernel(Int64(rows), x, 128, gain, &y, 128)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
    let agreement = Agreement(kernel: try HostTensor(y, shape: [rows, 128]), oracle: oracle[0])
    #expect(agreement.passes, "\(agreement)")
    #expect(agreement.count == rows * 128)
  }
}
