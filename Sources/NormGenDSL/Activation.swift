import NormGenIR

/// A function that is applied to every element, composed of primitives.
///
/// ```swift
/// extension Activation {
///   static let squaredReLU = Activation("squared_relu") { x in
///     let positive = x.maximum(.constant(0))
///     return positive * positive
///   }
/// }
/// ```
public struct Activation: Sendable {
  /// The name in the text form and in emitted comments.
  public let name: String
  /// The derivative, if it isn't derived from the steps of the definition.
  public let derivative: (@Sendable (Tensor) -> Tensor)?
  private let isComposed: Bool
  private let body: @Sendable (Tensor) -> Tensor

  /// Creates an activation from its definition.
  ///
  /// - Parameters:
  ///   - derivative: The derivative at a value, for one whose steps lose it: where their derivatives
  ///     cancel, overflow or are 0 · ∞. Gradients take it wherever a kernel has the definition's steps.
  ///   - body: The definition.
  public init(
    _ name: String, derivative: (@Sendable (Tensor) -> Tensor)? = nil,
    _ body: @escaping @Sendable (Tensor) -> Tensor
  ) {
    self.init(name, isComposed: true, derivative: derivative, body)
  }

  /// A single primitive needs no block of its own in the text form.
  private init(
    _ name: String, isComposed: Bool, derivative: (@Sendable (Tensor) -> Tensor)? = nil,
    _ body: @escaping @Sendable (Tensor) -> Tensor
  ) {
    self.name = name
    self.derivative = derivative
    self.isComposed = isComposed
    self.body = body
  }

  /// Applies the activation.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    isComposed ? Tensor.composed(name, of: self) { body(x) } : body(x)
  }

  /// max(x, 0).
  public static let relu = Activation("relu", isComposed: false) { $0.maximum(.constant(0)) }
  /// The logistic function 1 / (1 + e⁻ˣ).
  public static let sigmoid = Activation("sigmoid", isComposed: false) { .apply(.sigmoid, [$0]) }
  /// The hyperbolic tangent.
  public static let tanh = Activation("tanh", isComposed: false) { .apply(.tanh, [$0]) }
  /// x · sigmoid(x), also called swish.
  public static let silu = Activation("silu", derivative: { $0.siluSlope }) { x in
    x * .apply(.sigmoid, [x])
  }
  /// x · Φ(x) with the exact error function: 0.5·x·(1 + erf(x/√2)).
  public static let gelu = Activation("gelu", derivative: { $0.geluSlope }) { x in
    let scaled = x * Float(0.5).squareRoot()
    let probability = scaled.erf() + 1
    return (x * 0.5) * probability
  }
  /// The tanh form of gelu: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
  public static let geluTanh = Activation("gelu_tanh", derivative: { $0.geluTanhSlope }) { x in
    let cube = (x * x) * x
    let inner = cube.multiplyAdd(.constant(0.044715), x)
    let bent = Tensor.apply(.tanh, [inner * Float(0.7978845608028654)])
    return (x * 0.5) * (bent + 1)
  }
  /// x above zero, slope · x below; the slope is finite.
  public static func leakyReLU(slope: Float) -> Activation {
    Activation("leaky_relu") { x in
      guard slope.isFinite else {
        return Tensor(
          failed: x.node.error
            ?? GraphError(
              .argument("slope", of: "leaky_relu", expected: "a finite number", found: slope),
              at: TensorNode.place ?? x.node.location))
      }
      return x.select(ifGreaterThan: .constant(0), x, else: x * slope)
    }
  }

  /// The activations that the text form knows by name.
  public static let named: [Activation] = [relu, sigmoid, tanh, silu, gelu, geluTanh]
}

extension Tensor {
  /// Applies `activation` to every element.
  public func activated(by activation: Activation) -> Tensor { activation(self) }
  /// max(x, 0).
  public func relu() -> Tensor { Activation.relu(self) }
  /// x above zero, `slope` · x below.
  public func leakyReLU(slope: Float = 0.01) -> Tensor { Activation.leakyReLU(slope: slope)(self) }
  /// 1 / (1 + e⁻ˣ).
  public func sigmoid() -> Tensor { Activation.sigmoid(self) }
  /// The hyperbolic tangent.
  public func tanh() -> Tensor { Activation.tanh(self) }
  /// x · sigmoid(x).
  public func silu() -> Tensor { Activation.silu(self) }
  /// x · Φ(x) with the exact error function.
  public func gelu() -> Tensor { Activation.gelu(self) }
  /// The tanh form of gelu.
  public func geluTanh() -> Tensor { Activation.geluTanh(self) }
}
