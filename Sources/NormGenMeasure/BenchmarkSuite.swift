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

/// The kernels whose speed the documentation states.
public enum BenchmarkSuite {
  /// One to many rows of 4096, from the first-level cache to main memory, and shorter rows.
  public static let shapes: [(rows: Int, hidden: Int)] = [
    (1, 4096), (32, 4096), (512, 4096), (4096, 4096), (4096, 768), (16384, 128),
  ]

  /// Rows, heads of a row and the size of a head: one token and many, of models in use.
  public static let headShapes: [(rows: Int, heads: Int, size: Int)] = [
    (1, 32, 128), (512, 32, 128), (512, 8, 256),
  ]

  /// Rows of a training step, of a large and of a small model.
  public static let gradientShapes: [(rows: Int, hidden: Int)] = [(2048, 4096), (4096, 768)]

  /// The cases of a group, f32 and bf16; those of gradients with the kernels they are of.
  public static func cases(of group: BenchmarkGroup) throws -> [BenchmarkCase] {
    switch group {
    case .norms: try overShapes([rmsNorm, layerNorm, partialRMSNorm, rmsNormI8])
    case .residual: try overShapes([addRMSNorm])
    case .heads: try heads()
    case .gradients: try gradients()
    case .matmuls: try matmuls()
    case .blocks: try blocks()
    case .elementwise: try overShapes([gatedSiLU])
    }
  }

  /// Rows, depth and columns of matmuls: one token to many, weights in memory and in caches.
  public static let matmulShapes: [(rows: Int, depth: Int, columns: Int)] = [
    (1, 4096, 4096), (16, 4096, 4096), (128, 4096, 4096), (512, 4096, 11008), (64, 1024, 1024),
    (512, 768, 3072),
  ]

  /// How the operands are stored and the products added.
  private static let matmulTypes: [(storage: DType, accumulation: Matmul.Accumulation)] = [
    (.f32, .fused), (.bf16, .fused), (.bf16, .bf16Dot),
  ]

  /// Bare matmuls, and each with bias, activation and norm.
  private static func matmuls() throws(GraphError) -> [BenchmarkCase] {
    var cases: [BenchmarkCase] = []
    for (storage, accumulation) in matmulTypes {
      for (count, depth, columns) in matmulShapes {
        let x = rows("x", depth, storage)
        let w = Tensor.input("w", [.fixed(depth), .fixed(columns)], storage)
        let suffix =
          "\(depth)_\(columns)_"
          + (accumulation == .fused ? storage.rawValue : accumulation.rawValue)
        let product = x.matmul(w, accumulate: accumulation)
        cases.append(
          BenchmarkCase(try Kernel("matmul_\(suffix)", product).graph(), rows: count))
        let bias = Tensor.input("bias", [.fixed(columns)], storage)
        let normed = (product + bias).gelu().rmsNorm(gain: gain(columns, storage))
        cases.append(
          BenchmarkCase(
            try Kernel("matmul_bias_gelu_rms_norm_\(suffix)", normed).graph(), rows: count))
      }
    }
    return cases
  }

  /// Rows, depth and columns of matmuls with quantized blocks, of one token to many.
  public static let blockShapes: [(rows: Int, depth: Int, columns: Int)] = [
    (1, 4096, 4096), (2, 4096, 4096), (16, 4096, 4096), (128, 4096, 4096), (1, 4096, 11008),
  ]

  /// Bare matmuls whose weights lie in blocks or are integers, beside those of Float32 weights.
  private static func blocks() throws(GraphError) -> [BenchmarkCase] {
    var cases: [BenchmarkCase] = []
    for (count, depth, columns) in blockShapes {
      let x = rows("x", depth, .f32)
      func add(_ type: String, _ weights: Tensor) throws(GraphError) {
        let kernel = Kernel(
          "matmul_\(depth)_\(columns)_out_in_\(type)", x.matmul(weights, layout: .outIn))
        cases.append(BenchmarkCase(try kernel.graph(), rows: count))
      }
      let extents: [Extent] = [.fixed(columns), .fixed(depth)]
      try add("f32", .input("w", extents, .f32))
      let groups = BlockFormat.grouped(bits: 4, group: 128, hasZeroPoints: true)
      for format in [BlockFormat.q4_0, .q8_0, .q4_K, .q6_K, groups] {
        let w = Tensor.input("w", extents, format)
        try add(format.name, w)
        let rows = x.quantizedRows(scaling: .factor, group: max(32, format.subBlockElements))
        let kernel = Kernel(
          "matmul_\(depth)_\(columns)_out_in_\(format.name)_int8",
          rows.matmul(w, scaleType: format.number == nil ? .f32 : .f16))
        cases.append(BenchmarkCase(try kernel.graph(), rows: count))
      }
      let w = Tensor.input("w", extents, .i8)
      let channels = Tensor.input("w_scale", [.fixed(columns)], .f32)
      let rows = x.quantizedRows()
      let sums = rows.values.matmul(w, layout: .outIn, accumulate: .int8)
      let kernel = Kernel(
        "matmul_\(depth)_\(columns)_out_in_i8_int8", sums * rows.scale * channels)
      cases.append(BenchmarkCase(try kernel.graph(), rows: count))
    }
    return cases
  }

  /// Norms forward and backward.
  private static func gradients() throws -> [BenchmarkCase] {
    var cases: [BenchmarkCase] = []
    for storage in [DType.f32, .bf16] {
      for make in [rmsNorm, layerNorm, addRMSNorm] {
        for (rows, hidden) in gradientShapes {
          let graph = try make(hidden, storage).graph()
          let known = Set(graph.nodes.compactMap(\.name))
          let saved = savedValues.filter(known.contains)
          cases.append(BenchmarkCase(try graph.storing(saved), rows: rows))
          // The residual's gradient is that of x.
          let names = graph.inputs.compactMap { graph[$0].inputName }
          let gradient = try graph.gradient(
            withRespectTo: names.filter { $0 != "residual" }, saving: saved)
          cases.append(BenchmarkCase(gradient, rows: rows))
        }
      }
    }
    return cases
  }

  /// What forward leaves for backward, where a kernel has it: the sum with a residual, and the two
  /// statistics of LayerNorm, which would each take a pass over a row again.
  private static let savedValues = ["hidden", "mean_x", "inv_deviation"]

  private static func overShapes(
    _ kernels: [(Int, DType) -> Kernel]
  ) throws(GraphError) -> [BenchmarkCase] {
    var cases: [BenchmarkCase] = []
    for storage in [DType.f32, .bf16] {
      for make in kernels {
        for (rows, hidden) in shapes {
          cases.append(BenchmarkCase(try make(hidden, storage).graph(), rows: rows))
        }
      }
    }
    return cases
  }

  private static func heads() throws(GraphError) -> [BenchmarkCase] {
    var cases: [BenchmarkCase] = []
    for storage in [DType.f32, .bf16] {
      for (rows, heads, size) in headShapes {
        let q = Tensor.input("q", [.rows, .fixed(heads), .fixed(size)], storage)
        let kernel = Kernel(
          "qk_norm_\(heads)x\(size)_\(storage.rawValue)", q.rmsNorm(gain: gain(size, storage)))
        cases.append(BenchmarkCase(try kernel.graph(), rows: rows))
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

  private static func rmsNormI8(_ hidden: Int, _ storage: DType) -> Kernel {
    let x = rows("x", hidden, storage)
    let quantized = x.rmsNorm(gain: gain(hidden, storage)).quantizedRows()
    return Kernel(
      name("rms_norm_i8", hidden, storage),
      outputs: ["q": quantized.values, "scale": quantized.scale])
  }

  private static func layerNorm(_ hidden: Int, _ storage: DType) -> Kernel {
    let x = rows("x", hidden, storage)
    let gain = gain(hidden, storage)
    let shift = Tensor.input("shift", [.fixed(hidden)], storage)
    return Kernel(name("layer_norm", hidden, storage), x.layerNorm(gain: gain, shift: shift))
  }

  private static func gatedSiLU(_ hidden: Int, _ storage: DType) -> Kernel {
    let gate = rows("gate", hidden, storage).silu()
    return Kernel(name("gated_silu", hidden, storage), gate * rows("up", hidden, storage))
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
