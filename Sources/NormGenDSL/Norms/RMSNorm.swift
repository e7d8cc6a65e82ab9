public import NormGenIR

/// Every choice that frameworks make differently in an RMSNorm, by name.
///
/// With ms = mean(x²) over the window, the normalized row is x / ρ, where ρ follows from
/// ``epsilonPlacement``; then gain and shift are applied with the roundings named here. Float32
/// throughout, apart from the named roundings.
public struct RMSNormSemantics: Hashable, Sendable {
  /// Where epsilon keeps the divisor from zero.
  public enum EpsilonPlacement: String, CaseIterable, Hashable, Sendable {
    /// ρ = √(ms + ε).
    case inside
    /// ρ = √ms + ε.
    case outside
    /// ρ = max(√ms, ε).
    case maximum
    /// ρ = √ms: an all-zero row gives NaN.
    case none
  }

  /// How the row is divided by ρ.
  public enum Scaling: String, CaseIterable, Hashable, Sendable {
    /// x · (1/ρ): one division a row, two roundings an element.
    case reciprocal
    /// x / ρ: one rounding an element.
    case division
  }

  /// Whether the normalized row is rounded before the gain.
  public enum NormalizedRounding: String, CaseIterable, Hashable, Sendable {
    /// It stays in Float32.
    case none
    /// To the input's storage type.
    case input
    /// To the gain's storage type if that is f16 or bf16.
    case halfGain
  }

  /// Whether the result is rounded as part of the norm, before it is stored or used further.
  public enum ResultRounding: String, CaseIterable, Hashable, Sendable {
    /// It stays in Float32 until it is stored.
    case none
    /// To the input's storage type.
    case input
    /// To the gain's storage type.
    case gain
    /// To the promotion of the input's and the gain's types.
    case promoted

    /// The type that is rounded to; nil for none.
    func type(input: DType?, gain: DType?) -> DType? {
      switch self {
      case .none: nil
      case .input: input
      case .gain: gain
      case .promoted: DType.promoted([input, gain])
      }
    }
  }

  /// Where epsilon stands.
  public var epsilonPlacement: EpsilonPlacement
  /// How the row is divided.
  public var scaling: Scaling
  /// The rounding before the gain.
  public var normalizedRounding: NormalizedRounding
  /// The rounding after the gain.
  public var gainRounding: ResultRounding
  /// The rounding at the end.
  public var resultRounding: ResultRounding
  /// Added to the gain in Float32; 1 for Gemma.
  public var gainOffset: Float

  /// Creates a semantics; the defaults are ``fused``.
  public init(
    epsilonPlacement: EpsilonPlacement = .inside, scaling: Scaling = .reciprocal,
    normalizedRounding: NormalizedRounding = .none, gainRounding: ResultRounding = .none,
    resultRounding: ResultRounding = .none, gainOffset: Float = 0
  ) {
    self.epsilonPlacement = epsilonPlacement
    self.scaling = scaling
    self.normalizedRounding = normalizedRounding
    self.gainRounding = gainRounding
    self.resultRounding = resultRounding
    self.gainOffset = gainOffset
  }

  /// Float32 throughout, nothing rounded before the result is stored or used.
  public static let fused = RMSNormSemantics()
  /// LLaMA, Qwen and Mistral in Hugging Face: rounded to the input's type before the gain.
  public static let llama = RMSNormSemantics(
    normalizedRounding: .input, resultRounding: .promoted)
  /// Gemma 1 to 3 in Hugging Face: gain 1 + g in Float32, one rounding at the end.
  public static let gemma = RMSNormSemantics(resultRounding: .input, gainOffset: 1)
  /// `torch.nn.functional.rms_norm`: Float32, one rounding at the end.
  public static let torch = RMSNormSemantics(resultRounding: .input)
  /// ONNX RMSNormalization-23 with stash_type f32: X / √(ms + ε), cast, times scale in T.
  public static let onnx = RMSNormSemantics(
    scaling: .division, normalizedRounding: .input, resultRounding: .input)
  /// The paper's PyTorch code: g · (x / (√ms + ε)), epsilon outside the root.
  public static let paperTorch = RMSNormSemantics(
    epsilonPlacement: .outside, scaling: .division)
  /// The paper's TensorFlow code: x · rsqrt(ms + ε) · g.
  public static let paperTensorFlow = RMSNormSemantics()
  /// T5, Idefics and Baichuan: rounded to the gain's type before the gain, if that is a half type;
  /// the result has the gain's type.
  public static let t5 = RMSNormSemantics(normalizedRounding: .halfGain, resultRounding: .gain)
  /// ggml: Float32, x · (1/√(ms + ε)) · g; its own Float64 sum is unspecified in order.
  public static let ggml = RMSNormSemantics()

  /// The presets by their names in the text form.
  public static let named: KeyValuePairs<String, RMSNormSemantics> = [
    "fused": .fused, "llama": .llama, "gemma": .gemma, "torch": .torch, "onnx": .onnx,
    "paper_torch": .paperTorch, "paper_tensorflow": .paperTensorFlow, "t5": .t5, "ggml": .ggml,
  ]
}

/// A normalized row with the statistics it was made from.
public struct Normalization: Sendable {
  /// The normalized value, after gain and shift.
  public let output: Tensor
  /// The row's mean, for norms that subtract it.
  public let mean: Tensor?
  /// 1/ρ, the factor that the centred row is scaled by (rstd).
  public let inverseDeviation: Tensor
}

extension Tensor {
  /// Root mean square normalization of the last axis (Zhang and Sennrich 2019, equation 4).
  ///
  /// - Parameters:
  ///   - gain: Multiplies the normalized row; shape [n], or anything that broadcasts.
  ///   - shift: Added at the end.
  ///   - epsilon: Finite, at least 0; keeps the divisor from zero; see `semantics` for its place.
  ///   - statistics: The window that the mean square is taken of; a leading window gives partial
  ///     RMSNorm (equation 5).
  ///   - range: `.scaled` takes the mean square of rows of any size without overflow.
  ///   - semantics: The framework's choices.
  public func rmsNorm(
    gain: Tensor? = nil, shift: Tensor? = nil, epsilon: Float = 1e-6,
    statistics: StatisticWindow = .all, range: StatisticRange = .plain,
    semantics: RMSNormSemantics = .fused, fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    rmsNormalization(
      gain: gain, shift: shift, epsilon: epsilon, statistics: statistics, range: range,
      semantics: semantics, fileID: fileID, line: line
    ).output
  }

  /// ``rmsNorm(gain:shift:epsilon:statistics:range:semantics:fileID:line:)`` with its statistics.
  public func rmsNormalization(
    gain: Tensor? = nil, shift: Tensor? = nil, epsilon: Float = 1e-6,
    statistics: StatisticWindow = .all, range: StatisticRange = .plain,
    semantics: RMSNormSemantics = .fused, fileID: String = #fileID, line: UInt = #line
  ) -> Normalization {
    if let error = numberError(epsilon, "epsilon", of: "rms_norm", fileID, line) {
      return .failed(error)
    }
    return Tensor.composed("rms_norm", fileID, line) {
      let placement = semantics.epsilonPlacement
      let ranged = ranged(
        range, over: statistics, floor: placement.floor(epsilon), fileID, line)
      let square = ranged.row * ranged.row
      let meanSquare = square.mean(over: statistics, fileID: fileID, line: line)
        .named(ranged.name("mean_square"))
      let divisor = meanSquare.root(
        keptFromZeroBy: ranged.epsilon(epsilon, placement), placement)
      let inverse = (1 / divisor).named(ranged.name("inv_rms"))
      var value: Tensor
      switch semantics.scaling {
      case .reciprocal: value = ranged.row * inverse
      case .division: value = ranged.row / divisor.named(ranged.name("rms"))
      }
      value = value.stored(as: resultStorage)
      switch semantics.normalizedRounding {
      case .none: break
      case .input: value = value.rounded(toStorage: storage)
      case .halfGain:
        if let type = gain?.storage, type != .f32 { value = value.rounded(to: type) }
      }
      if let gain {
        let factor = semantics.gainOffset == 0 ? gain : gain + semantics.gainOffset
        let rounding = semantics.gainRounding.type(input: storage, gain: gain.storage)
        value = (value * factor).rounded(toStorage: rounding)
      }
      if let shift { value = value + shift }
      let result = semantics.resultRounding.type(input: storage, gain: gain?.storage)
      value = value.rounded(toStorage: result)
      return Normalization(
        output: value.stored(as: result ?? resultStorage), mean: nil,
        inverseDeviation: ranged.unscaled(factor: inverse, "inv_rms"))
    }
  }

  /// The root of a mean or sum of squares as a divisor that epsilon keeps from zero.
  func root(
    keptFromZeroBy epsilon: Tensor, _ placement: RMSNormSemantics.EpsilonPlacement
  ) -> Tensor {
    switch placement {
    case .inside: (self + epsilon).squareRoot()
    case .outside: squareRoot() + epsilon
    case .maximum: squareRoot().maximum(epsilon)
    case .none: squareRoot()
    }
  }

  /// Rounds to a storage type unless that is Float32, which a value has already.
  func rounded(toStorage type: DType?) -> Tensor {
    guard let type, type != .f32 else { return self }
    return rounded(to: type)
  }
}
