public import NormGenIR

extension ElementaryFunction {
  /// The largest error of the emitted function over all Float32 arguments, in units in the last
  /// place of the true result; measured, see `Benchmarks/elementary`.
  public var ulpBound: Double {
    switch self {
    case .exp: 1.5
    case .log: 1.5
    case .tanh: 2
    case .erf: 2
    case .sigmoid: 2
    }
  }
}
