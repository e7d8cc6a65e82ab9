import NormGen
import Testing

@Suite struct KernelCostTests {
  private func cost(_ text: String) throws -> KernelCost {
    let graph = try #require(try GraphParser.graphs(in: text).first)
    return KernelCost(try Compiler(target: .avx2).lower(graph))
  }

  @Test func rmsNormReadsAndWritesEachRowOnce() throws {
    let cost = try cost(
      """
      kernel norm(x: bf16[rows, 100], gain: f32[100]) {
        y = rms_norm(x, gain: gain, epsilon: 1e-6)
      } -> y: f16
      """)
    #expect(cost.bytesReadPerRow == 200)
    #expect(cost.bytesWrittenPerRow == 200)
    #expect(cost.parameterBytes == 400)
    #expect(cost.passExtents == [100, 100])
    let operations = cost.operationsPerRow
    // The squares are fused into their sum; x · inv_rms · gain are two products an element.
    #expect(operations.fused == 100)
    #expect(operations.multiplications == 200)
    // The tree over 64 partials, and epsilon.
    #expect(operations.additions == 63 + 1)
    // The mean, and 1 / root.
    #expect(operations.divisions == 2)
    #expect(operations.squareRoots == 1)
    #expect(operations.roundings == 100)
    #expect(operations.elementary == 0)
    #expect(operations.selections == 0)
    // A fused multiply-add is two.
    #expect(operations.flops == 2 * 100 + 200 + 64 + 2 + 1)
  }

  @Test func aWindowCostsItsElementsOnly() throws {
    let cost = try cost(
      """
      kernel partial(x: f32[rows, 8192], gain: f32[8192]) {
        y = rms_norm(x, gain: gain, epsilon: 1e-6, leading: 5000)
      } -> y
      """)
    #expect(cost.passExtents == [5000, 8192])
    #expect(cost.operationsPerRow.fused == 5000)
    // Two blocks' trees, their sum, and epsilon.
    #expect(cost.operationsPerRow.additions == 2 * 63 + 1 + 1)
    #expect(cost.bytesReadPerRow == 4 * 8192)
  }

  @Test func anInputThatOnlyAWindowNeedsIsReadInPart() throws {
    let cost = try cost(
      """
      kernel window(x: f32[rows, 64], z: f32[rows, 64]) {
        m = row_max(z * z, leading: 10)
        y = x * m
      } -> y
      """)
    #expect(cost.bytesReadPerRow == 4 * 64 + 4 * 10)
  }

  @Test func headsMultiplyTheirRow() throws {
    let cost = try cost(
      """
      kernel heads(q: bf16[rows, 8, 64], gain: bf16[64]) {
        y = rms_norm(q, gain: gain, epsilon: 1e-6)
      } -> y
      """)
    #expect(cost.bytesReadPerRow == 2 * 8 * 64)
    #expect(cost.bytesWrittenPerRow == 2 * 8 * 64)
    #expect(cost.parameterBytes == 2 * 64)
    #expect(cost.operationsPerRow.fused == 8 * 64)
    #expect(cost.operationsPerRow.squareRoots == 8)
  }

  @Test func elementaryFunctionsAreCountedApart() throws {
    let cost = try cost(
      """
      kernel activated(x: f32[rows, 16]) {
        y = exp(x) + tanh(x)
      } -> y
      """)
    #expect(cost.operationsPerRow.elementary == 32)
    #expect(cost.operationsPerRow.additions == 16)
    #expect(cost.passExtents == [16])
    #expect(cost.scratchBytes == 0)
  }

  @Test func memoryKeptBetweenPassesIsCounted() throws {
    let cost = try cost(
      """
      kernel kept(x: f32[rows, 64], gain: f32[64]) {
        y = rms_norm(gelu(x), gain: gain, epsilon: 1e-6)
      } -> y
      """)
    #expect(cost.scratchBytes == 4 * 64)
  }

  @Test func matmulsCountTheirMultiplyAdds() throws {
    let exact = try cost(
      """
      kernel product(x: bf16[rows, 40], w: bf16[40, 24]) {
        y = matmul(x, w)
      } -> y
      """)
    #expect(exact.operationsPerRow.fused == 40 * 24)
    #expect(exact.operationsPerRow.dotted == 0)
    #expect(exact.operationsPerRow.flops == 2 * 40 * 24)
    let licensed = try cost(
      """
      kernel product(x: bf16[rows, 40], w: bf16[24, 40]) {
        y = matmul(x, w, layout: out_in, accumulate: bf16_dot)
      } -> y
      """)
    #expect(licensed.operationsPerRow.fused == 0)
    #expect(licensed.operationsPerRow.dotted == 40 * 24)
    #expect(licensed.operationsPerRow.flops == 2 * 40 * 24)
  }
}
