import NormGen
import NormGenCheck
import Testing

/// How far apart the three quotients of a quantized row are.
@Suite struct QuantizationScalingTests {
  /// Rows of one size by each scaling.
  private func integers(_ sizes: [Float]) throws -> [RowQuantization.Scaling: [Double]] {
    let rows = sizes.indices.flatMap { index in
      StatisticRangeTests.row(1, index).map { Double(Float($0) * sizes[index]) }
        + [0, Double(sizes[index]), -Double(sizes[index])]
    }
    let extent = rows.count / sizes.count
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let inputs = ["x": try HostTensor(rows, shape: [sizes.count, extent], .f32)]
    var results: [RowQuantization.Scaling: [Double]] = [:]
    for scaling in RowQuantization.Scaling.allCases {
      let kernel = Kernel("k", x.quantizedRows(scaling: scaling).values)
      let y = try Compiler(target: HostCPU.current.bestTarget).compile(kernel)(inputs)["y"]
      results[scaling] = try #require(y).doubles
    }
    return results
  }

  @Test func normalScalesDifferByOne() throws {
    let least = 127 * Float.leastNormalMagnitude
    let sizes = (0..<200).map { least * Float(sign: .plus, exponent: $0, significand: 1) * 1.1 }
    let results = try integers([least] + sizes)
    let exact = try #require(results[.division])
    for (scaling, found) in results {
      let greatest = zip(found, exact).map { abs($0 - $1) }.max() ?? 0
      #expect(greatest <= 1, "\(scaling)")
    }
  }

  /// 1/s and 127/max |y| are ∞.
  @Test func reciprocalsOfSmallScalesSaturate() throws {
    let results = try integers([3e-37, 1e-38])
    let exact = try #require(results[.division])
    for scaling in [RowQuantization.Scaling.reciprocal, .factor] {
      let found = try #require(results[scaling])
      #expect(found.allSatisfy { $0 == 0 || $0 == 127 || $0 == -128 })
      #expect(zip(found, exact).contains { abs($0 - $1) > 100 })
    }
    #expect(Set(exact.map(abs)).count > 20)
  }
}
