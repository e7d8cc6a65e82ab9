import NormGen
import Testing

/// The figures of a comparison with the oracle, and the distances that they are made of.
@Suite struct AgreementTests {
  @Test func ulpsAreThoseOfTheOraclesMagnitude() throws {
    let ulp = 0x1p-23
    // 0 to 9 units above 1, of which a third of one is rounded away.
    let kernel = try HostTensor(
      (0..<10).map { 1 + Double($0) * ulp }, shape: [10], .f32)
    let oracle = (0..<10).map { _ in Bounded(1 + ulp / 4, error: 8 * ulp) }
    let agreement = Agreement(kernel: kernel, oracle: oracle)
    #expect(agreement.correctlyRounded == 1 && agreement.exact == 0)
    #expect(agreement.ulps(ofShare: 0.5) == 3.75)
    #expect(agreement.ulps(ofShare: 0.99) == 8.75)
    #expect(agreement.greatestUlps == 8.75 && agreement.failures == 1)
    #expect(agreement.ulps(ofShare: 0) == 0.25)
    let none = Agreement(kernel: try HostTensor(zeros: [0], .f32), oracle: [])
    #expect(none.ulps(ofShare: 0.5) == 0)
  }

  @Test(arguments: DType.allCases)
  func stepsCountNeighbours(type: DType) {
    let least = type.ulp(at: 0)
    let one = type.ulp(at: 1)
    #expect(type.steps(from: 1, to: 1 + one) == 1)
    #expect(type.steps(from: 6 * least, to: least) == 5)
    #expect(type.steps(from: 0, to: -0.0) == 0)
    #expect(type.steps(from: .nan, to: .nan) == 0)
    #expect(type.steps(from: .nan, to: 1) == .infinity)
    guard type != .u8 else { return }
    #expect(type.steps(from: 3 * least, to: -2 * least) == 5)
    guard type.holdsFractions else { return }
    #expect(type.steps(from: type.greatestFiniteMagnitude, to: .infinity) == 1)
    // Below 1 neighbours are half as far.
    #expect(type.steps(from: 1 - one / 2, to: 1 + one) == 2)
  }

  @Test func rowsAreGathered() throws {
    let tensor = try HostTensor([0, 1, 10, 11, 20, 21] as [Float], shape: [3, 2])
    #expect(try tensor.gathering(rows: [2, 0, 2]).doubles == [20, 21, 0, 1, 20, 21])
    #expect(try tensor.gathering(rows: []).shape == [0, 2])
    #expect(throws: TensorError.self) {
      try HostTensor([1 as Float], shape: []).gathering(rows: [0])
    }
  }
}
