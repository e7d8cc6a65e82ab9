import NormGen

/// Random kernels that are large in one way: what counts and limits of the stages see.
enum RandomLargeGraph {
  /// A kernel of `seed`, named after it.
  static func kernel(seed: UInt64) -> Kernel {
    var random = SeededGenerator(seed: seed ^ 0x27d4_eb2f_1656_67c5)
    let outputs =
      switch random.below(5) {
      case 0, 1: deepProducts(&random)
      case 2: manyStatistics(&random)
      case 3: longChain(&random)
      default: manyParameters(&random)
      }
    return Kernel("random_\(seed)", outputs: outputs)
  }

  private static func value(_ extent: Int, _ random: inout SeededGenerator) -> Tensor {
    .input("x", [.rows, .fixed(extent)], random.choice([.f32, .f32, .bf16, .f16]))
  }

  /// Residual layers, each with a product and a norm, so that the program has more than 32 steps.
  private static func deepProducts(_ random: inout SeededGenerator) -> [Kernel.Output] {
    let extent = 1 + random.below(9)
    var hidden = value(extent, &random)
    let shape: [Extent] = [.fixed(extent), .fixed(extent)]
    let shared = Tensor.input("w", shape, .f32)
    for layer in 0..<16 + random.below(24) {
      let weights =
        random.happens(0.7)
        ? shared : Tensor.input("w\(layer)", shape, random.choice([.f32, .bf16]))
      let product = hidden.matmul(weights)
      let inner = random.happens(0.5) ? product.relu() : product.tanh()
      hidden = (hidden + inner).rmsNorm(epsilon: random.choice([1e-6, 0.8765]))
    }
    return [Kernel.Output("y", hidden)]
  }

  /// Statistics of many windows of one row, all of which live at once.
  private static func manyStatistics(_ random: inout SeededGenerator) -> [Kernel.Output] {
    let extent = 64 + random.below(200)
    let x = value(extent, &random)
    var result = x
    for _ in 0..<20 + random.below(60) {
      let window = StatisticWindow.leading(count: 1 + random.below(extent))
      let statistic =
        switch random.below(4) {
        case 0: x.sum(over: window)
        case 1: (x * x).mean(over: window)
        case 2: x.absolute().rowMaximum(over: window)
        default: (x - random.constant()).mean(over: window)
        }
      result = result + statistic * Float(0.0625)
    }
    return [Kernel.Output("y", result)]
  }

  /// A chain of operations, each of the one before.
  private static func longChain(_ random: inout SeededGenerator) -> [Kernel.Output] {
    let extent = 1 + random.below(70)
    let x = value(extent, &random)
    var result = x
    for _ in 0..<60 + random.below(600) {
      switch random.below(6) {
      case 0: result = x + result * Float(0.75)
      case 1: result = x - result * Float(0.5)
      case 2: result = result.maximum(-x)
      case 3: result = result.multiplyAdd(.constant(0.5), x)
      case 4: result = -result
      default: result = result / (x.absolute() + Float(1.5))
      }
    }
    return [Kernel.Output("y", result), Kernel.Output("s", result.mean())]
  }

  /// Many inputs and outputs.
  private static func manyParameters(_ random: inout SeededGenerator) -> [Kernel.Output] {
    let extent = 1 + random.below(40)
    let x = value(extent, &random)
    return (0..<10 + random.below(40)).map { index in
      let type = random.choice(DType.allCases)
      let shape: [Extent] =
        random.happens(0.5) ? [.rows, .fixed(extent)] : [.fixed(random.happens(0.5) ? extent : 1)]
      let other = Tensor.input("p\(index)", shape, type)
      return Kernel.Output(
        "y\(index)", random.binary(of: x, other), as: random.choice(DType.allCases))
    }
  }
}
