public import NormGenIR

extension ElementaryFunction {
  /// The largest error of the emitted function over all Float32 arguments, in units in the last
  /// place of the true result; measured, see `Benchmarks/elementary/errors.json`.
  public var ulpBound: Double {
    switch self {
    case .exp: 0.9
    case .log: 0.95
    case .tanh: 1.4
    case .erf: 1.1
    case .sigmoid: 1.5
    }
  }

  /// Whether no result is negative.
  var isNonnegative: Bool {
    switch self {
    case .exp, .sigmoid: true
    case .log, .tanh, .erf: false
    }
  }
}
