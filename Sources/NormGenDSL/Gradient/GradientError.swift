public import NormGenIR

/// A kernel whose gradient cannot be derived.
public enum GradientError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kernel itself, or its gradient, has no meaning.
  case graph(GraphError)
  /// The kernel has no input of this name.
  case unknownInput(String, kernel: String, known: [String])
  /// The kernel has no value of this name that could be saved.
  case unknownValue(String, kernel: String, known: [String])
  /// No output depends on the input in a way that has a derivative.
  case noPath(input: String, kernel: String)
  /// No input was asked for, or none has a gradient.
  case noInput(kernel: String)
  /// A value is repeated along axes over which its gradient cannot be summed.
  case repeatedAxes(value: String, shape: Shape, within: Shape)
  /// An input without rows is used in ways whose gradients are sums over rows of their own.
  case severalSums(input: String)
  /// The weights of a matmul whose rows have several axes.
  case matmulOfSeveralAxes(weights: String, shape: Shape)
  /// The weights of a matmul are computed from inputs that are differentiated by.
  case computedWeights(String)
  /// The weights of a matmul whose value is differentiated by lie in quantized blocks.
  case blockWeights(String)
  /// A product of integers, which are rounded.
  case integerProduct(String)
  /// A value is taken over all rows.
  case overRows(value: String)
  /// An activation has a derivative of its own, but a value of it depends on other elements.
  case notElementwise(activation: String)

  public var description: String {
    switch self {
    case .graph(let error): error.description
    case .unknownInput(let name, let kernel, let known):
      "kernel '\(kernel)' has no input '\(name)'; its inputs are \(known.joined(separator: ", "))"
    case .unknownValue(let name, let kernel, let known):
      "kernel '\(kernel)' has no value '\(name)' to save; its named values are "
        + (known.isEmpty ? "none" : known.prefix(24).joined(separator: ", "))
        + (known.count > 24 ? " and \(known.count - 24) more" : "")
    case .noPath(let input, let kernel):
      "no output of kernel '\(kernel)' has a derivative by the input '\(input)'"
    case .noInput(let kernel):
      "the gradient of kernel '\(kernel)' needs at least one input to differentiate by"
    case .repeatedAxes(let value, let shape, let within):
      "\(value) of shape \(shape) is repeated within \(within); its gradient can be summed over "
        + "rows, over leading axes and over the last axis, not over axes between others"
    case .severalSums(let input):
      "\(input) has no rows and is used in several ways whose gradients are sums of "
        + "their own; give each use an input of its own and add their gradients"
    case .matmulOfSeveralAxes(let weights, let shape):
      "the gradient of the weights '\(weights)' needs rows of one axis, found \(shape); reshape "
        + "them before the matmul"
    case .computedWeights(let weights):
      "\(weights) is computed and the weights of a matmul; its gradient is known when the last row is "
        + "done, but what it is computed from needs it; make it an input of this kernel, compute it in "
        + "one of its own, and derive that, too"
    case .blockWeights(let weights):
      "\(weights) is read in blocks along the axis that products are summed over, and the gradient of what it "
        + "multiplies sums over the other one; derive the kernel with the weights' values as f32"
    case .integerProduct(let value):
      "\(value) is a product of integers, whose rounding has no derivative; derive the kernel with "
        + "'accumulate: fused', the value before it is quantized, and weights that are fractions, such as "
        + "integers times their scale"
    case .overRows(let value):
      "\(value) is taken over all rows, which has no derivative in one pass over them"
    case .notElementwise(let activation):
      "the activation '\(activation)' has a derivative of its own, which multiplies each element's "
        + "gradient, but it is no function of each element by itself; leave the derivative out, and "
        + "it is derived from the steps"
    }
  }
}
