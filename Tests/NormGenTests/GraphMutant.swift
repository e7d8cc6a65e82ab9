import NormGen
import Testing

/// A kernel and a wrong one of the same parameters, such as a mistake would make it.
struct GraphMutant: Sendable, CustomTestStringConvertible {
  let name: String
  let right: @Sendable (Specimen.Parameters) -> [Kernel.Output]
  let wrong: @Sendable (Specimen.Parameters) -> [Kernel.Output]
  /// Some mistakes only show in half types.
  var types = [Specimen.Types.all[0], Specimen.Types.all[1], Specimen.Types.all[2]]
  let judge: MutantCatches.Judge

  var testDescription: String { name }

  init(
    _ name: String, halvesOnly: Bool = false, judge: MutantCatches.Judge = .bound,
    right: @escaping @Sendable (Specimen.Parameters) -> Tensor,
    wrong: @escaping @Sendable (Specimen.Parameters) -> Tensor
  ) {
    self.name = name
    self.judge = judge
    self.right = { [Kernel.Output("y", right($0), as: $0.types.input)] }
    self.wrong = { [Kernel.Output("y", wrong($0), as: $0.types.input)] }
    if halvesOnly { types.removeFirst() }
  }

  static let epsilon: Float = 0.8765

  /// RMSNorm with its pieces for others to get wrong.
  private static func rms(
    _ parts: Specimen.Parameters, epsilon: Float = epsilon, window: StatisticWindow = .all,
    _ semantics: RMSNormSemantics = .fused
  ) -> Tensor {
    parts.x.rmsNorm(
      gain: parts.gain, epsilon: epsilon, statistics: window, semantics: semantics)
  }

  /// LayerNorm of a given divisor.
  private static func layer(
    _ parts: Specimen.Parameters, _ variance: (_ x: Tensor, _ centred: Tensor) -> Tensor
  ) -> Tensor {
    let centred = parts.x - parts.x.mean()
    let deviation = (variance(parts.x, centred) + epsilon).squareRoot()
    return (centred / deviation).multiplyAdd(parts.gain, parts.shift)
  }

  private static func residual(_ parts: Specimen.Parameters, rounded: Bool) -> Tensor {
    let sum = parts.x + parts.row("residual")
    let hidden = rounded ? sum.rounded(to: parts.types.input) : sum
    return hidden.rmsNorm(gain: parts.gain, epsilon: epsilon)
  }

  static let all: [GraphMutant] = [
    GraphMutant(
      "no epsilon", right: { rms($0) },
      wrong: { rms($0, RMSNormSemantics(epsilonPlacement: .none)) }),
    GraphMutant("wrong epsilon", right: { rms($0) }, wrong: { rms($0, epsilon: 0.9) }),
    GraphMutant(
      "epsilon outside the root", right: { rms($0) },
      wrong: { rms($0, RMSNormSemantics(epsilonPlacement: .outside)) }),
    GraphMutant(
      "epsilon inside the root", right: { rms($0, .paperTorch) },
      wrong: { rms($0, RMSNormSemantics(scaling: .division)) }),
    GraphMutant(
      "k + 1", right: { rms($0, window: .leading(count: $0.third)) },
      wrong: { rms($0, window: .leading(count: $0.third + 1)) }),
    GraphMutant(
      "k − 1", right: { rms($0, window: .leading(count: $0.third)) },
      wrong: { rms($0, window: .leading(count: $0.third - 1)) }),
    GraphMutant(
      "window ignored", right: { rms($0, window: .leading(count: $0.third)) },
      wrong: { rms($0) }),
    GraphMutant(
      "gain before the cast", halvesOnly: true, right: { rms($0, .llama) },
      wrong: { rms($0, .torch) }),
    GraphMutant(
      "cast before the gain", halvesOnly: true, right: { rms($0, .torch) },
      wrong: { rms($0, .llama) }),
    GraphMutant(
      "residual rounded", halvesOnly: true, right: { residual($0, rounded: false) },
      wrong: { residual($0, rounded: true) }),
    GraphMutant(
      "residual not rounded", halvesOnly: true, right: { residual($0, rounded: true) },
      wrong: { residual($0, rounded: false) }),
    GraphMutant(
      "mean of |x|", right: { rms($0) },
      wrong: { parts in
        let mean = parts.x.absolute().mean()
        return parts.x / (mean * mean + epsilon).squareRoot() * parts.gain
      }),
    GraphMutant(
      "sum instead of mean", right: { rms($0) },
      wrong: { parts in
        parts.x / ((parts.x * parts.x).sum() + epsilon).squareRoot() * parts.gain
      }),
    GraphMutant(
      "gain without offset", right: { rms($0, .gemma) }, wrong: { rms($0, .torch) }),
    GraphMutant(
      "range of 128", right: { $0.x.quantizedRows().values },
      wrong: { parts in
        (parts.x / (parts.x.absolute().rowMaximum() / 128)).rounded(to: .i8)
      }),
    GraphMutant(
      "greatest instead of greatest magnitude", right: { $0.x.quantizedRows().values },
      wrong: { parts in (parts.x / (parts.x.rowMaximum() / 127)).rounded(to: .i8) }),
    GraphMutant(
      "divisor n − 1", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        layer(parts) { ($1 * $1).sum() / Float(parts.extent - 1) }
      }),
    GraphMutant(
      "uncentred variance", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { layer($0) { x, _ in (x * x).mean() } }),
    GraphMutant(
      "row not centred", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        let centred = parts.x - parts.x.mean()
        let deviation = ((centred * centred).mean() + epsilon).squareRoot()
        return (parts.x / deviation).multiplyAdd(parts.gain, parts.shift)
      }),
    GraphMutant(
      "gain and shift exchanged", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        let centred = parts.x - parts.x.mean()
        let deviation = ((centred * centred).mean() + epsilon).squareRoot()
        return (centred / deviation).multiplyAdd(parts.shift, parts.gain)
      }),
    GraphMutant(
      "operands of a difference exchanged", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        let centred = parts.x.mean() - parts.x
        let deviation = ((centred * centred).mean() + epsilon).squareRoot()
        return (centred / deviation).multiplyAdd(parts.gain, parts.shift)
      }),
    GraphMutant(
      "operands of a quotient exchanged", right: { rms($0, .paperTorch) },
      wrong: { parts in
        ((parts.x * parts.x).mean().squareRoot() + epsilon) / parts.x * parts.gain
      }),
    GraphMutant(
      "gain and shift in two roundings", judge: .bits,
      right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        let centred = parts.x - parts.x.mean()
        let deviation = ((centred * centred).mean() + epsilon).squareRoot()
        return centred / deviation * parts.gain + parts.shift
      }),
  ]

  /// What the norm is part of.
  enum Place: String, CaseIterable {
    case rows = "rows"
    case product = "rows of a product"
  }
}
