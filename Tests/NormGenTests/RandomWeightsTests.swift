import NormGen
import Testing

/// Weights of a model's size are chosen from a table, with the moments of those that are drawn.
@Suite struct RandomWeightsTests {
  private func weights(_ storage: DType, columns: Int, seed: UInt64) throws -> HostTensor {
    let x = Tensor.input("x", [.rows, 1031], .f32)
    let w = Tensor.input("w", [1031, .fixed(columns)], storage)
    let graph = try Kernel("k", x.matmul(w)).graph()
    return try #require(try RandomInputs.tensors(for: graph, rows: 1, seed: seed)["w"])
  }

  @Test(arguments: [DType.f32, .bf16, .f16])
  func largeWeightsHaveMeanZeroAndDeviationOneByRootK(_ storage: DType) throws {
    let columns = 1021
    let tensor = try weights(storage, columns: columns, seed: 9)
    #expect(tensor.count == 1031 * columns && tensor.count > 1 << 20)
    let values = tensor.doubles
    let mean = values.reduce(0, +) / Double(values.count)
    let square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
    // The table's 4096 values estimate both moments; six deviations of the estimates.
    let deviation = 1 / Double(1031).squareRoot()
    #expect(abs(mean) < deviation * 6 / 64)
    #expect(abs(square * 1031 - 1) < 6 * Double(2).squareRoot() / 64)
    #expect(Set(values).count > 1000)
    // Neither the last elements nor whole columns are left out.
    #expect(values.suffix(7).contains { $0 != 0 })
  }

  /// Integers have most of their range, whatever their number.
  @Test(arguments: [DType.i8, .u8])
  func largeIntegersHaveMostOfTheirRange(_ storage: DType) throws {
    let x = Tensor.input("x", [.rows, 1032], .f32)
    let w = Tensor.input("w", [1032, 1021], storage)
    let graph = try Kernel("k", x.matmul(w * .input("scale", [1021], .f32))).graph()
    let tensors = try RandomInputs.tensors(for: graph, rows: 1, seed: 9)
    let values = try #require(tensors["w"]).doubles
    #expect(values.count > 1 << 20)
    let mean = values.reduce(0, +) / Double(values.count)
    let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    // Those of the table's 4096 values, saturated beyond 3.2 deviations of 40: six deviations of the estimates.
    #expect(abs(mean - (storage == .u8 ? 128 : 0)) < 40.0 * 6 / 64)
    #expect(abs(square.squareRoot() - 40) < 40.0 * 6 / 64)
    #expect(Set(values).count > 200)
  }

  @Test func theSeedFixesLargeWeights() throws {
    let first = try weights(.bf16, columns: 1021, seed: 4)
    #expect(try weights(.bf16, columns: 1021, seed: 4).doubles == first.doubles)
    #expect(try weights(.bf16, columns: 1021, seed: 5).doubles != first.doubles)
  }
}
