import NormGen
import Testing

/// Numbers that an argument cannot take are refused where they are given, in Swift as in the text.
@Suite struct ArgumentTests {
  private static let x = Tensor.input("x", [.rows, 4, 2], .f32)
  private static let mean = Tensor.input("mean", [4, 1], .f32)

  private static func norms(_ epsilon: Float) -> [(name: String, value: Tensor)] {
    [
      ("rms_norm", x.rmsNorm(epsilon: epsilon)),
      ("rms_norm", x.rmsNormalization(epsilon: epsilon).inverseDeviation),
      ("layer_norm", x.layerNorm(epsilon: epsilon)), ("l2_norm", x.l2Norm(epsilon: epsilon)),
      ("group_norm", x.groupNorm(groups: 2, epsilon: epsilon)),
      ("group_norm", x.instanceNorm(epsilon: epsilon)),
      ("batch_norm", x.batchNorm(mean: mean, variance: mean, epsilon: epsilon)),
    ]
  }

  @Test(arguments: [-1, -.leastNonzeroMagnitude, .nan, .infinity, -.infinity] as [Float])
  func epsilonIsFiniteAndNotNegative(epsilon: Float) {
    for (name, value) in Self.norms(epsilon) {
      let error = #expect(throws: GraphError.self) { try Kernel("k", value).graph() }
      guard case .argument("epsilon", name, _, _)? = error?.reason else {
        Issue.record("\(name): \(String(describing: error))")
        continue
      }
      #expect(error?.location?.fileID == #fileID)
      #expect(error?.description.contains("a finite number of at least 0") == true)
    }
  }

  @Test(arguments: [0, .leastNonzeroMagnitude, 1e30] as [Float])
  func otherEpsilonsAreLegal(epsilon: Float) throws {
    for (_, value) in Self.norms(epsilon) { _ = try Kernel("k", value).graph() }
  }

  @Test(arguments: [Float.nan, .infinity]) func slopesAreFinite(slope: Float) {
    let error = #expect(throws: GraphError.self) {
      try Kernel("k", Self.x.leakyReLU(slope: slope)).graph()
    }
    #expect(error?.description.contains("'slope' of 'leaky_relu' must be a finite number") == true)
  }
}
