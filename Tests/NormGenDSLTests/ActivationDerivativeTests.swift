import NormGen
import Testing

/// Derivatives that activations declare for themselves.
@Suite struct ActivationDerivativeTests {
  static let softplus = Activation("softplus", derivative: { $0.sigmoid() }) { x in
    x.maximum(.constant(0)) + ((-x.absolute()).exp() + 1).log()
  }

  static let x = Tensor.input("x", [.rows, 6], .f32)

  private func steps(_ graph: Graph) -> [ElementwiseOp] {
    graph.nodes.compactMap { if case .elementwise(let op) = $0.op { op } else { nil } }
  }

  @Test func ownDerivativesAreTaken() throws {
    let kernel = Kernel("k", Self.softplus(Self.x))
    let gradient = try kernel.gradient().graph()
    #expect(steps(gradient) == [.sigmoid, .multiply])
    #expect(try kernel.storing([]).gradient().graph() == gradient)
    let graph = try kernel.graph()
    #expect(try graph.gradient(activations: [Self.softplus] + Activation.named) == gradient)
    // Without it the steps decide.
    #expect(try steps(graph.gradient()).contains(.exp))
  }

  /// The graph decides, not how it came to be.
  @Test func activationsAreFoundHoweverTheyWereWritten() throws {
    let text = """
      kernel k(x: f32[rows, 6]) { y = silu(x) } -> y
      kernel k(x: f32[rows, 6]) { y = x * sigmoid(x) } -> y
      """
    let gradients = try [
      Kernel("k", Self.x.silu()).graph(), Kernel("k", Self.x * Self.x.sigmoid()).graph(),
      GraphParser.graphs(in: String(text.split(separator: "\n")[0]))[0],
      GraphParser.graphs(in: String(text.split(separator: "\n")[1]))[0],
    ].map { try $0.gradient() }
    for gradient in gradients { #expect(gradient == gradients[0]) }
    // Two values are no activation of one.
    let other = Kernel("k", Self.x * Tensor.input("z", [.rows, 6], .f32).sigmoid())
    #expect(try steps(other.gradient().graph()).contains(.sigmoid))
  }

  /// Of several activations the one with the most steps, and those inside of others have their turn.
  @Test func activationsWithinActivationsAreFound() throws {
    let twice = Activation("twice", derivative: { $0 * 0 + 4 }) { $0.silu().silu() }
    #expect(
      try steps(Kernel("k", twice(Self.x)).gradient().graph()) == [.multiply, .add, .multiply])
    let graph = try Kernel("k", Self.x.silu().silu()).gradient().graph()
    #expect(steps(graph).filter { $0 == .divide }.count == 2)
  }

  /// A step of an activation that is used elsewhere, too, has the gradient of that use.
  @Test func stepsThatAreSharedHaveBothGradients() throws {
    let gate = Self.x.sigmoid()
    let kernel = Kernel("k", outputs: ["y": Self.x * gate, "gate": gate])
    let gradient = try kernel.gradient().graph()
    #expect(gradient.inputs.compactMap { gradient[$0].inputName } == ["x", "d_y", "d_gate"])
    #expect(steps(gradient).filter { $0 == .exp }.count == 2)
  }

  @Test func derivativesOfWholeRowsAreRefused() throws {
    let centred = Activation("centred", derivative: { $0 }) { $0 - $0.mean() }
    #expect(throws: GradientError.notElementwise(activation: "centred")) {
      try Kernel("k", centred(Self.x)).gradient()
    }
  }

  /// Where nothing can be infinite, the derivation takes no step to be safe.
  @Test func ordinaryNormsHaveNoComparison() throws {
    let gain = Tensor.input("gain", [6], .f32)
    for norm in [
      Self.x.rmsNorm(gain: gain), Self.x.layerNorm(gain: gain), Self.x.groupNorm(groups: 2),
      Self.x.rmsNorm(gain: gain, semantics: .onnx), Self.x.rmsNorm(semantics: .llama),
      Self.x.weightNorm(), Self.x.rmsNorm(semantics: RMSNormSemantics(epsilonPlacement: .none)),
    ] {
      let gradient = try Kernel("k", norm).gradient().graph()
      #expect(!steps(gradient).contains(.selectGreater), "\(gradient)")
    }
    let rectified = Self.x.rmsNorm(gain: gain).relu()
    let gradient = try Kernel("k", rectified).gradient().graph()
    #expect(steps(gradient).filter { $0 == .selectGreater }.count == 1)
  }
}
