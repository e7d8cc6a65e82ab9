public import NormGenIR

/// Every choice that frameworks make differently in a LayerNorm, by name.
///
/// The variance is always that of the centred row, mean((x − μ)²): a second pass, which neither
/// cancels nor turns negative.
public struct LayerNormSemantics: Hashable, Sendable {
  /// How gain and shift are applied to the centred row c with the divisor σ.
  public enum Affine: String, CaseIterable, Hashable, Sendable {
    /// fma(c · (1/σ), g, b): the last product and sum are rounded once.
    case fused
    /// (c · (1/σ)) · g + b, each step rounded.
    case separate
    /// (g · (1/σ)) · c + b, each step rounded (oneDNN).
    case gainFirst
  }

  /// Where epsilon stands; `.maximum` compares with σ.
  public var epsilonPlacement: RMSNormSemantics.EpsilonPlacement
  /// How the centred row is divided by σ; ``Affine/gainFirst`` implies the reciprocal.
  public var scaling: RMSNormSemantics.Scaling
  /// How gain and shift are applied.
  public var affine: Affine
  /// The rounding before the gain.
  public var normalizedRounding: RMSNormSemantics.NormalizedRounding
  /// The rounding between gain and shift.
  public var gainRounding: RMSNormSemantics.ResultRounding
  /// The rounding at the end.
  public var resultRounding: RMSNormSemantics.ResultRounding

  /// Creates a semantics; the defaults are ``fused``.
  public init(
    epsilonPlacement: RMSNormSemantics.EpsilonPlacement = .inside,
    scaling: RMSNormSemantics.Scaling = .reciprocal, affine: Affine = .fused,
    normalizedRounding: RMSNormSemantics.NormalizedRounding = .none,
    gainRounding: RMSNormSemantics.ResultRounding = .none,
    resultRounding: RMSNormSemantics.ResultRounding = .none
  ) {
    self.epsilonPlacement = epsilonPlacement
    self.scaling = scaling
    self.affine = affine
    self.normalizedRounding = normalizedRounding
    self.gainRounding = gainRounding
    self.resultRounding = resultRounding
  }

  /// Float32 throughout, gain and shift by one fused multiply-add.
  public static let fused = LayerNormSemantics()
  /// `torch.nn.functional.layer_norm`: Float32, one rounding at the end.
  public static let torch = LayerNormSemantics(affine: .separate, resultRounding: .input)
  /// ONNX LayerNormalization-17 with stash_type f32: cast before scale and bias, both in T.
  public static let onnx = LayerNormSemantics(
    affine: .separate, normalizedRounding: .input, gainRounding: .input, resultRounding: .input)
  /// oneDNN: (g · (1/σ)) · (x − μ) + b, one rounding at the end.
  public static let oneDNN = LayerNormSemantics(affine: .gainFirst, resultRounding: .input)
  /// The paper's equation 2: (x − μ)/σ · g + b; give epsilon 0 or `.none` for its missing ε.
  public static let paper = LayerNormSemantics(scaling: .division, affine: .separate)

  /// The presets by their names in the text form.
  public static let named: KeyValuePairs<String, LayerNormSemantics> = [
    "fused": .fused, "torch": .torch, "onnx": .onnx, "onednn": .oneDNN, "paper": .paper,
  ]
}

extension Tensor {
  /// Layer normalization of the last axis with biased, centred variance.
  ///
  /// - Parameters:
  ///   - gain: Multiplies the normalized row; shape [n], or anything that broadcasts.
  ///   - shift: Added at the end; nil for LayerNorm without shift.
  ///   - epsilon: Finite, at least 0; keeps the divisor from zero.
  ///   - statistics: The window that mean and variance are taken of.
  ///   - range: `.scaled` takes mean and variance of rows of any size without overflow.
  ///   - semantics: The framework's choices.
  public func layerNorm(
    gain: Tensor? = nil, shift: Tensor? = nil, epsilon: Float = 1e-5,
    statistics: StatisticWindow = .all, range: StatisticRange = .plain,
    semantics: LayerNormSemantics = .fused, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    layerNormalization(
      gain: gain, shift: shift, epsilon: epsilon, statistics: statistics, range: range,
      semantics: semantics, fileID: fileID, line: line
    ).output
  }

  /// ``layerNorm(gain:shift:epsilon:statistics:range:semantics:fileID:line:)`` with its statistics.
  public func layerNormalization(
    gain: Tensor? = nil, shift: Tensor? = nil, epsilon: Float = 1e-5,
    statistics: StatisticWindow = .all, range: StatisticRange = .plain,
    semantics: LayerNormSemantics = .fused, fileID: String = #fileID, line: UInt = #line
  ) -> Normalization {
    if let error = numberError(epsilon, "epsilon", of: "layer_norm", fileID, line) {
      return .failed(error)
    }
    return Tensor.composed("layer_norm", fileID, line) {
      let placement = semantics.epsilonPlacement
      let ranged = ranged(
        range, over: statistics, floor: placement.floor(epsilon), fileID, line)
      let mean = ranged.row.mean(over: statistics, fileID: fileID, line: line)
        .named(ranged.name("mean_x"))
      let centred = (ranged.row - mean).named("centred")
      let variance = (centred * centred).mean(over: statistics, fileID: fileID, line: line)
        .named(ranged.name("variance"))
      let divisor = variance.root(
        keptFromZeroBy: ranged.epsilon(epsilon, placement), placement)
      let inverse = (1 / divisor).named(ranged.name("inv_deviation"))
      var value: Tensor
      if semantics.affine == .gainFirst, let gain {
        value = (gain * inverse) * centred
        if let shift { value = value + shift }
      } else {
        switch semantics.scaling {
        case .reciprocal: value = centred * inverse
        case .division: value = centred / divisor.named(ranged.name("deviation"))
        }
        value = value.stored(as: resultStorage)
        switch semantics.normalizedRounding {
        case .none: break
        case .input: value = value.rounded(toStorage: storage)
        case .halfGain:
          if let type = gain?.storage, type != .f32 { value = value.rounded(to: type) }
        }
        value = value.applying(gain: gain, shift: shift, semantics, input: storage)
      }
      let result = semantics.resultRounding.type(input: storage, gain: gain?.storage)
      value = value.rounded(toStorage: result)
      return Normalization(
        output: value.stored(as: result ?? resultStorage),
        mean: ranged.unscaled(value: mean, "mean_x"),
        inverseDeviation: ranged.unscaled(factor: inverse, "inv_deviation"))
    }
  }

  private func applying(
    gain: Tensor?, shift: Tensor?, _ semantics: LayerNormSemantics, input: DType?
  ) -> Tensor {
    if let gain, let shift, semantics.affine == .fused, semantics.gainRounding == .none {
      return multiplyAdd(gain, shift)
    }
    var value = self
    if let gain {
      let rounding = semantics.gainRounding.type(input: input, gain: gain.storage)
      value = (value * gain).rounded(toStorage: rounding)
    }
    if let shift { value = value + shift }
    return value
  }
}
