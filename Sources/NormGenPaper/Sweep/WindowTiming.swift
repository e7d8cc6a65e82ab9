import NormGen
import NormGenMeasure

/// Times of partial RMSNorm beside RMSNorm and LayerNorm, measured in turns on the same memory.
struct WindowTiming {
  let rows: Int
  let extent: Int
  let storage: DType
  /// Seconds of a call.
  let rmsSeconds: Spread
  let layerSeconds: Spread
  /// RMSNorm measured a second time by its first time, round by round: the noise.
  let noise: Spread
  /// RMSNorm's time by LayerNorm's, round by round.
  let rmsToLayer: Spread
  let partials: [Partial]

  /// One fraction of the row.
  struct Partial {
    let fraction: Double
    let seconds: Spread
    /// Time by RMSNorm's and by LayerNorm's, round by round.
    let toRMS: Spread
    let toLayer: Spread
  }

  init(
    rows: Int, extent: Int, storage: DType, fractions: [Double], rounds: Int,
    roundSeconds: Double, _ run: PaperRun
  ) throws {
    self.rows = rows
    self.extent = extent
    self.storage = storage
    let x = Tensor.input("x", [.rows, .fixed(extent)], storage)
    let gain = Tensor.input("gain", [.fixed(extent)], storage)
    let shift = Tensor.input("shift", [.fixed(extent)], storage)
    func compiled(_ name: String, _ y: Tensor) throws -> CompiledKernel {
      try run.compiler.compile(Kernel("\(name)_\(extent)_\(storage.rawValue)", y))
    }
    let rms = try compiled("rms_norm", x.rmsNorm(gain: gain))
    let layer = try compiled("layer_norm", x.layerNorm(gain: gain, shift: shift))
    let partials = try fractions.map { fraction in
      let y = x.rmsNorm(gain: gain, statistics: .leading(fraction: fraction))
      return try compiled("partial_rms_norm_\(Int(fraction * 10000))", y)
    }
    let inputs = try RandomInputs.tensors(
      for: layer.lowering.graph, rows: rows, seed: run.seed)
    let memory = CallMemory(inputs)
    let kernels = try ([rms, layer, rms] + partials).map { try memory.bound($0, rows: rows) }
    let timing = withExtendedLifetime(memory) {
      InterleavedTiming(
        rounds: rounds, roundSeconds: roundSeconds, kernels.map { kernel in { kernel() } })
    }
    rmsSeconds = Spread(timing.seconds[0])
    layerSeconds = Spread(timing.seconds[1])
    noise = timing.ratio(of: 2, to: 0)
    rmsToLayer = timing.ratio(of: 0, to: 1)
    self.partials = fractions.enumerated().map { index, fraction in
      Partial(
        fraction: fraction, seconds: Spread(timing.seconds[index + 3]),
        toRMS: timing.ratio(of: index + 3, to: 0), toLayer: timing.ratio(of: index + 3, to: 1))
    }
  }

  /// Whether a fraction takes longer than RMSNorm beyond the noise: three quarters of its rounds
  /// lie above three quarters of those of RMSNorm against itself, and above 1.
  func isSlower(_ partial: Partial) -> Bool {
    WindowTiming.isSlower(partial.toRMS, noise: noise)
  }

  /// Whether a ratio lies above 1 beyond the noise, the ratio of one kernel to itself.
  static func isSlower(_ ratio: Spread, noise: Spread) -> Bool {
    ratio.lowerQuartile > max(noise.upperQuartile, 1)
  }

  /// The shape in words.
  var shape: String { "\(rows)×\(extent)" }
}
