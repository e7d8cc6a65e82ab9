public import NormGen

/// A kernel and the number of rows to time it on.
public struct BenchmarkCase: Sendable {
  /// The kernel.
  public let graph: Graph
  /// The number of rows of a call.
  public let rows: Int

  /// A case.
  public init(_ graph: Graph, rows: Int) {
    self.graph = graph
    self.rows = rows
  }
}

/// The row norms whose speed the documentation states.
public enum BenchmarkSuite {
  /// One to many rows of 4096, from the first-level cache to main memory, and shorter rows.
  public static let shapes: [(rows: Int, hidden: Int)] = [
    (1, 4096), (32, 4096), (512, 4096), (4096, 4096), (4096, 768), (16384, 128),
  ]

  /// RMSNorm, LayerNorm, partial RMSNorm and residual + RMSNorm, f32 and bf16, over ``shapes``.
  public static func norms() throws(GraphError) -> [BenchmarkCase] {
    var cases: [BenchmarkCase] = []
    for storage in [DType.f32, .bf16] {
      for make in [rmsNorm, layerNorm, partialRMSNorm, addRMSNorm] {
        for (rows, hidden) in shapes {
          cases.append(BenchmarkCase(try make(hidden, storage).graph(), rows: rows))
        }
      }
    }
    return cases
  }

  private static func name(_ norm: String, _ hidden: Int, _ storage: DType) -> String {
    "\(norm)_\(hidden)_\(storage.rawValue)"
  }

  private static func rows(_ name: String, _ hidden: Int, _ storage: DType) -> Tensor {
    .input(name, [.rows, .fixed(hidden)], storage)
  }

  private static func gain(_ hidden: Int, _ storage: DType) -> Tensor {
    .input("gain", [.fixed(hidden)], storage)
  }

  private static func rmsNorm(_ hidden: Int, _ storage: DType) -> Kernel {
    let x = rows("x", hidden, storage)
    return Kernel(name("rms_norm", hidden, storage), x.rmsNorm(gain: gain(hidden, storage)))
  }

  private static func partialRMSNorm(_ hidden: Int, _ storage: DType) -> Kernel {
    let x = rows("x", hidden, storage)
    return Kernel(
      name("partial_rms_norm", hidden, storage),
      x.rmsNorm(gain: gain(hidden, storage), statistics: .leading(fraction: 0.0625)))
  }

  private static func layerNorm(_ hidden: Int, _ storage: DType) -> Kernel {
    let x = rows("x", hidden, storage)
    let gain = gain(hidden, storage)
    let shift = Tensor.input("shift", [.fixed(hidden)], storage)
    return Kernel(name("layer_norm", hidden, storage), x.layerNorm(gain: gain, shift: shift))
  }

  private static func addRMSNorm(_ hidden: Int, _ storage: DType) -> Kernel {
    let x = rows("x", hidden, storage)
    let sum = x + rows("residual", hidden, storage)
    // Residual mode A: what is stored is what is normalized.
    let state = storage == .f32 ? sum : sum.rounded(to: storage)
    return Kernel(
      name("add_rms_norm", hidden, storage),
      outputs: ["hidden": state, "normed": state.rmsNorm(gain: gain(hidden, storage))])
  }
}
