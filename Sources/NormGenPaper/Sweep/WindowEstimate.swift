import NormGen

/// How well the root mean square of a row's start estimates that of the row, by a kernel.
struct WindowEstimate {
  let fraction: Double
  /// Elements in the window.
  let count: Int
  /// The mean and the largest of |RMS_p/RMS − 1| over the rows.
  let meanError: Double
  let worstError: Double

  /// Estimates for several windows of the rows of a tensor [rows, extent].
  static func of(
    _ rows: HostTensor, fractions: [Double], rounding: StatisticWindow.FractionRounding,
    _ compiler: Compiler
  ) throws -> [WindowEstimate] {
    guard let extent = rows.shape.last, rows.shape.count == 2 else { return [] }
    let x = Tensor.input("x", [.rows, .fixed(extent)], rows.storage)
    func rms(_ window: StatisticWindow) -> Tensor {
      (x * x).mean(over: window).squareRoot()
    }
    let windows = fractions.map { StatisticWindow.leading(fraction: $0, rounding: rounding) }
    let outputs =
      [Kernel.Output("full", rms(.all), as: .f32)]
      + windows.enumerated().map { Kernel.Output("part\($0)", rms($1), as: .f32) }
    let kernel = try compiler.compile(Kernel("window_estimates_\(extent)", outputs: outputs))
    let results = try kernel(["x": rows])
    let full = results["full"]?.doubles ?? []
    return try zip(fractions, windows).enumerated().map { index, window in
      let part = results["part\(index)"]?.doubles ?? []
      // A row of zeros has no ratio.
      let errors = zip(part, full).filter { $1 > 0 }.map { abs($0 / $1 - 1) }
      return WindowEstimate(
        fraction: window.0, count: try window.1.count(in: extent),
        meanError: errors.reduce(0, +) / Double(max(errors.count, 1)),
        worstError: errors.max() ?? 0)
    }
  }

  /// The mean error to first order for independent normal elements:
  /// √(2/π) · √((1/k − 1/n) / 2).
  static func normalError(count: Int, extent: Int) -> Double {
    (2 / Double.pi).squareRoot()
      * ((1 / Double(count) - 1 / Double(extent)) / 2).squareRoot()
  }
}
