public import NormGenDSL
public import NormGenIR
public import NormGenTensors

/// Batch normalization with the statistics of the batch, forward and backward, for [rows, channels]
/// or [rows, channels, positions] (Ioffe and Szegedy 2015, algorithm 1).
///
/// What is computed from values over all rows is a kernel of its own, so a step forward is three
/// kernels and a step backward two. Each obeys the numeric contract; together they have the bits
/// and the bound of one graph, ``meaning``.
public struct BatchNormTraining: Sendable {
  /// What the kernels are made for.
  public struct Layer: Hashable, Sendable {
    /// The number of channels.
    public let channels: Int
    /// The number of positions of a channel in a row; nil for rows of channels.
    public let positions: Int?
    /// The type of values and of their gradients; statistics, gain and shift are f32.
    public let storage: DType
    /// Whether the normalized value is multiplied by a gain.
    public let hasGain: Bool
    /// Whether a shift is added.
    public let hasShift: Bool
    /// Added to the variance before the root.
    public let epsilon: Float

    /// Creates a layer.
    public init(
      channels: Int, positions: Int? = nil, storage: DType = .f32, hasGain: Bool = true,
      hasShift: Bool = true, epsilon: Float = 1e-5
    ) {
      self.channels = channels
      self.positions = positions
      self.storage = storage
      self.hasGain = hasGain
      self.hasShift = hasShift
      self.epsilon = epsilon
    }
  }

  /// The mean and the biased variance of each channel.
  public struct Statistics: Sendable {
    /// [channels] or [channels, 1].
    public let mean: HostTensor
    /// [channels] or [channels, 1].
    public let variance: HostTensor
  }

  /// What ``backward(_:_:gain:upstream:threads:)`` returns.
  public struct Gradients: Sendable {
    /// By the normalized values' input, of its shape and type.
    public let value: HostTensor
    /// By the gain, f32; also if the layer has none, where it is not of use.
    public let gain: HostTensor
    /// By the shift, f32.
    public let shift: HostTensor
  }

  /// What the kernels are made for.
  public let layer: Layer
  /// The kernels as compiled: mean, variance, normalization, sums of the gradient, gradient.
  public let kernels: [CompiledKernel]
  private let mean, variance, normalization, sums, gradient: CompiledKernel

  /// Compiles the kernels of a layer.
  ///
  /// - Throws: `GraphError` for extents that are no shape, ``CompilerError``.
  public init(_ layer: Layer, compiler: Compiler) throws {
    self.layer = layer
    let form = BatchNormForm(layer)
    mean = try compiler.compile(form.meanKernel)
    variance = try compiler.compile(form.varianceKernel)
    normalization = try compiler.compile(form.normalizationKernel)
    sums = try compiler.compile(form.sumsKernel)
    gradient = try compiler.compile(form.gradientKernel)
    kernels = [mean, variance, normalization, sums, gradient]
  }

  /// A step forward as one graph, for the oracle: values over all rows are used further, so it is
  /// not compiled.
  public static func meaning(of layer: Layer) -> Kernel { BatchNormForm(layer).forward }

  /// The gradients as one graph of `x`, `gain` and `d_y`, for the oracle.
  public static func gradientMeaning(of layer: Layer) -> Kernel { BatchNormForm(layer).backward }

  /// Normalizes a batch.
  ///
  /// - Parameters:
  ///   - value: [rows, channels] or [rows, channels, positions].
  ///   - gain: [channels] or [channels, 1], if the layer has one.
  ///   - shift: The same.
  ///   - threads: The most threads that share each call.
  /// - Returns: The normalized batch, and its statistics for the step backward; those of no rows
  ///   are not numbers.
  /// - Throws: ``CallError``.
  public func forward(
    _ value: HostTensor, gain: HostTensor? = nil, shift: HostTensor? = nil, threads: Int = 1
  ) throws -> (output: HostTensor, statistics: Statistics) {
    let mean = try only(mean, ["x": value], threads)
    let variance = try only(variance, ["x": value, "mean": mean], threads)
    var inputs = ["x": value, "mean": mean, "variance": variance]
    inputs["gain"] = gain
    inputs["shift"] = shift
    let output = try only(normalization, inputs, threads)
    return (output, Statistics(mean: mean, variance: variance))
  }

  /// The gradients of a batch: ∂shift = Σ∂y, ∂gain = Σ∂y x̂ and
  /// ∂x = g/σ · (∂y − mean(∂y) − x̂ · mean(∂y x̂)).
  ///
  /// - Parameters:
  ///   - value: What ``forward(_:gain:shift:threads:)`` was called with.
  ///   - statistics: What it returned.
  ///   - gain: The same gain.
  ///   - upstream: The gradient of its output, of its shape and type.
  ///   - threads: The most threads that share each call.
  /// - Throws: ``CallError``.
  public func backward(
    _ value: HostTensor, _ statistics: Statistics, gain: HostTensor? = nil,
    upstream: HostTensor, threads: Int = 1
  ) throws -> Gradients {
    var inputs = [
      "x": value, "mean": statistics.mean, "variance": statistics.variance, "d_y": upstream,
    ]
    let totals = try sums(inputs, threads: threads)
    guard let gainSum = totals["d_gain"], let shiftSum = totals["d_shift"] else {
      throw CallError.outputCount(
        kernel: sums.name, expected: ["d_gain", "d_shift"], found: totals.count)
    }
    let terms = (value.shape.first ?? 0) * (layer.positions ?? 1)
    inputs["gain"] = gain
    inputs["d_gain"] = gainSum
    inputs["d_shift"] = shiftSum
    inputs["terms"] = try HostTensor([Float(terms)], shape: [1])
    return Gradients(
      value: try only(gradient, inputs, threads), gain: gainSum, shift: shiftSum)
  }

  private func only(
    _ kernel: CompiledKernel, _ inputs: [String: HostTensor], _ threads: Int
  ) throws(CallError) -> HostTensor {
    let outputs = try kernel(inputs, threads: threads)
    guard outputs.count == 1, let output = outputs.first?.value else {
      throw .outputCount(kernel: kernel.name, expected: ["y"], found: outputs.count)
    }
    return output
  }
}
