import NormGen
import NormGenCheck
import Testing

/// Epsilons so small that their reciprocals overflow, and rows no larger.
@Suite struct SmallEpsilonTests {
  static let extent = 4
  static let epsilons: [Float] = [Float(1e-40 as Double), 0x1p-149, 0x1p-127, 0x1p-126, 1e-37]

  struct Form: CustomTestStringConvertible, Sendable {
    let name: String
    let norm: @Sendable (Tensor, Float) -> Tensor

    var testDescription: String { name }
  }

  /// All whose divisor is epsilon where the statistic is 0.
  static let forms: [Form] =
    StatisticRange.allCases.flatMap { range in
      [RMSNormSemantics.EpsilonPlacement.outside, .maximum].flatMap { placement in
        [
          Form(name: "l2 \(placement) \(range)") {
            $0.l2Norm(epsilon: $1, epsilonPlacement: placement, range: range)
          }
        ]
          + RMSNormSemantics.Scaling.allCases.flatMap { scaling in
            [
              Form(name: "rms \(placement) \(scaling) \(range)") {
                $0.rmsNorm(
                  epsilon: $1, range: range,
                  semantics: RMSNormSemantics(epsilonPlacement: placement, scaling: scaling))
              }
            ]
              + LayerNormSemantics.Affine.allCases.map { affine in
                Form(name: "layer \(placement) \(scaling) \(affine) \(range)") {
                  $0.layerNorm(
                    gain: .constant(1), shift: .constant(0), epsilon: $1, range: range,
                    semantics: LayerNormSemantics(
                      epsilonPlacement: placement, scaling: scaling, affine: affine))
                }
              }
          }
      }
    }

  private func outputs(_ form: Form, _ epsilon: Float, _ rows: [[Double]]) throws -> HostTensor {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let inputs = ["x": try HostTensor(rows.flatMap { $0 }, shape: [rows.count, Self.extent], .f32)]
    return try #require(
      try Compiler(target: HostCPU.current.bestTarget).compile(
        Kernel("k", form.norm(x, epsilon)))(inputs)["y"])
  }

  @Test(arguments: forms, epsilons)
  func zerosGiveZeros(form: Form, epsilon: Float) throws {
    let y = try outputs(form, epsilon, [[0, 0, 0, 0]])
    #expect(y.doubles.allSatisfy { $0 == 0 }, "\(y.doubles)")
  }

  /// x / max(‖x‖, ε) of the row: the squares underflow, and ε divides.
  @Test func elementsAreDividedByEpsilon() throws {
    for form in Self.forms where form.name == "l2 maximum plain" {
      let y = try outputs(
        form, Float(1e-40 as Double), [[1e-41, 0, 0, 0], [-3e-41, 1e-41, 0, 0]])
      // Denormals hold few digits; their quotient is rounded once.
      let (small, three, epsilon) = (
        Float(1e-41 as Double), Float(-3e-41 as Double), Float(1e-40 as Double)
      )
      let right = [small, 0, 0, 0, three, small, 0, 0].map { Double($0 / epsilon) }
      #expect(y.doubles == right)
      #expect(Float(y[0]) > 0.0999 && Float(y[0]) < 0.1001)
    }
  }

  /// Without overflow the two forms are as they were: the reciprocal is taken of what has one.
  @Test func normalEpsilonsMultiply() throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    func hasReciprocal(_ value: Tensor) throws -> Bool {
      let graph = try Kernel("k", value).graph()
      return graph.nodes.contains { node in
        node.op == .elementwise(.divide) && graph[node.operands[0]].op == .constant(1)
      }
    }
    #expect(try hasReciprocal(x.l2Norm(epsilon: .leastNormalMagnitude)))
    #expect(try !hasReciprocal(x.l2Norm(epsilon: Float.leastNormalMagnitude.nextDown)))
    #expect(try hasReciprocal(x.rmsNorm(epsilon: .leastNonzeroMagnitude)))
  }
}
