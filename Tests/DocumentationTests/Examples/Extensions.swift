public import NormGen

// example: abs-max-norm
extension Tensor {
  /// Division of the last axis by its greatest magnitude: x / max(max |x|, ε) · g.
  ///
  /// - Parameters:
  ///   - gain: Multiplies the normalized row; shape [n], or anything that broadcasts.
  ///   - epsilon: Keeps the divisor from zero.
  ///   - statistics: The window that the greatest magnitude is taken of.
  public func absMaxNorm(
    gain: Tensor? = nil, epsilon: Float = 1e-12, statistics: StatisticWindow = .all,
    fileID: String = #fileID, line: UInt = #line
  ) -> Tensor {
    Tensor.composed("abs_max_norm") {
      let greatest = absolute().rowMaximum(over: statistics, fileID: fileID, line: line)
        .named("greatest")
      let divisor = greatest.maximum(.constant(epsilon))
      let inverse = (1 / divisor).named("inv_greatest")
      let value = self * inverse
      guard let gain else { return value }
      return (value * gain).stored(as: storage)
    }
  }
}
// end

/// What articles add to the text form.
enum ExampleFunctions {
  // example: abs-max-norm-function
  static let absMaxNorm = TextFunction("abs_max_norm") { arguments throws(TextArgumentError) in
    let x = try arguments.tensor()
    return x.absMaxNorm(
      gain: try arguments.tensor("gain"), epsilon: try arguments.number("epsilon") ?? 1e-12,
      statistics: try arguments.window())
  }
  // end

  /// What the articles' text blocks may call besides the library.
  static let all = [absMaxNorm, TextFunction(.squaredReLU)]
}

// example: squared-relu
extension Activation {
  /// max(x, 0)², the activation of Primer.
  public static let squaredReLU = Activation("squared_relu") { x in
    let positive = x.maximum(.constant(0))
    return positive * positive
  }
}

extension Tensor {
  /// max(x, 0)².
  public func squaredReLU() -> Tensor { activated(by: .squaredReLU) }
}
// end

// example: softplus
extension Activation {
  /// log(1 + eˣ), whose derivative is the logistic function.
  public static let softplus = Activation("softplus", derivative: { $0.sigmoid() }) { x in
    x.maximum(.constant(0)) + ((-x.absolute()).exp() + 1).log()
  }
}
// end

func softplusKernel() -> Kernel {
  Kernel("softplus", Tensor.input("x", [.rows, 64], .f32).activated(by: .softplus))
}

func squaredReLUKernel() -> Kernel {
  // example: squared-relu-use
  let x = Tensor.input("x", [.rows, 768], .bf16)
  let gain = Tensor.input("gain", [768], .bf16)
  let kernel = Kernel("squared_relu_rms_norm", x.squaredReLU().rmsNorm(gain: gain))
  // end
  return kernel
}

func textWithOwnFunctions() throws -> [Graph] {
  // example: own-functions
  let text = """
    kernel normed(x: f32[rows, 100], gain: f32[100]) {
      y = squared_relu(abs_max_norm(x, gain: gain))
    } -> y
    """
  let graphs = try GraphParser.graphs(
    in: text, functions: [ExampleFunctions.absMaxNorm, TextFunction(.squaredReLU)])
  // end
  return graphs
}

// example: wide-tiles
/// The loops of `RowStreaming`, with more rows sharing what they load.
public struct WideTiles: Strategy {
  private let loops = RowStreaming()

  public let name = "wide_tiles"
  public let summary = "eight rows share a load of the gain"

  /// Short rows only: the results of eight long ones would not stay in the first-level cache.
  public func applies(to region: Region, target: Target) -> Bool {
    region.outerExtents.isEmpty && region.rowExtent <= 1024
  }

  public func schedule(for region: Region, target: Target) -> Schedule {
    var schedule = loops.schedule(for: region, target: target)
    schedule.strategy = name
    schedule.rowTile = 8
    return schedule
  }

  public func lowered(
    _ region: Region, schedule: Schedule, target: Target
  ) throws(PlanError) -> RowProgram {
    try loops.lowered(region, schedule: schedule, target: target)
  }
}
// end

func loweredWithWideTiles(_ kernel: Kernel) throws -> Lowering {
  // example: wide-tiles-use
  var compiler = try Compiler()
  compiler.strategies = [WideTiles()] + Strategies.all
  let lowering = try compiler.lower(kernel)
  // end
  return lowering
}

// example: sse4
extension Target {
  /// x86-64-v2: SSE4.1; there is no fused multiply-add, so the template emulates it.
  public static let sse4 = Target(
    name: "sse4", lanes: 4, architecture: "x86_64", guardMacro: "__x86_64__",
    functionFeatures: "sse4.1",
    compilerArguments: ["-march=x86-64-v2"],
    requiredFeatures: ["sse4_1"])
}
// end
