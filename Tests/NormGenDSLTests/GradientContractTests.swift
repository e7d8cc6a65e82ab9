import NormGen
import NormGenCheck
import NormGenFuzz
import NormGenTestSupport
import Testing

/// What gradients promise beside being derivatives.
@Suite struct GradientContractTests {
  // MARK: Textbook

  static func values(
    _ graph: Graph, _ tensors: [String: HostTensor], rows: Int
  ) throws -> [String: [Bounded]] {
    let names = Set(graph.inputs.compactMap { graph[$0].inputName })
    let all = try GraphInterpreter.allValues(
      of: graph, rows: rows, inputs: tensors.filter { names.contains($0.key) })
    return Dictionary(
      uniqueKeysWithValues: graph.outputs.map { ($0.name, all[$0.value.index]) })
  }

  /// The row backward of each norm, written once more from the paper in naive Float64.
  enum Backward {
    static func mean(_ row: [Double]) -> Double { row.reduce(0, +) / Double(row.count) }

    /// ∂aᵢ = (qᵢ − [i < k] · âᵢ/k · Σ q·â)/r; k = n is equation 9.
    static func rms(_ a: [Double], _ q: [Double], _ epsilon: Double, _ k: Int) -> [Double] {
      let r = (mean(a[..<k].map { $0 * $0 }) + epsilon).squareRoot()
      let total = zip(q, a).map { $0 * $1 / r }.reduce(0, +)
      return a.indices.map { (q[$0] - ($0 < k ? a[$0] / r / Double(k) * total : 0)) / r }
    }

    /// ∂a = (q − mean q − â · mean(q·â))/σ.
    static func layer(_ a: [Double], _ q: [Double], _ epsilon: Double) -> [Double] {
      let centre = mean(a)
      let sigma = (mean(a.map { ($0 - centre) * ($0 - centre) }) + epsilon).squareRoot()
      let normed = a.map { ($0 - centre) / sigma }
      let product = mean(zip(q, normed).map { $0 * $1 })
      return a.indices.map { (q[$0] - mean(q) - normed[$0] * product) / sigma }
    }

    /// ∂a = q/(ρ + ε) − a · (q·a)/(n · ρ · (ρ + ε)²).
    static func outside(_ a: [Double], _ q: [Double], _ epsilon: Double) -> [Double] {
      let rho = mean(a.map { $0 * $0 }).squareRoot()
      let total = zip(q, a).map { $0 * $1 }.reduce(0, +)
      let divisor = rho + epsilon
      return a.indices.map {
        q[$0] / divisor - a[$0] * total / (Double(a.count) * rho * divisor * divisor)
      }
    }
  }

  @Test(arguments: [48, 300])
  func rowBackwardIsTheTextbooks(_ extent: Int) throws {
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let gain = Tensor.input("gain", [.fixed(extent)], .f32)
    let epsilon: Float = 0.8765
    let count = (extent + 15) / 16
    let outside = RMSNormSemantics(epsilonPlacement: .outside)
    let cases: [(Tensor, ([Double], [Double]) -> [Double])] = [
      (
        x.rmsNorm(gain: gain, epsilon: epsilon),
        { Backward.rms($0, $1, Double(epsilon), extent) }
      ),
      (
        x.rmsNorm(gain: gain, epsilon: epsilon, statistics: .leading(fraction: 0.0625)),
        { Backward.rms($0, $1, Double(epsilon), count) }
      ),
      (
        x.layerNorm(gain: gain, epsilon: epsilon),
        { Backward.layer($0, $1, Double(epsilon)) }
      ),
      (
        x.rmsNorm(gain: gain, epsilon: epsilon, semantics: outside),
        { Backward.outside($0, $1, Double(epsilon)) }
      ),
    ]
    for (norm, backward) in cases {
      let gradient = try Kernel("k", norm).gradient(withRespectTo: ["x"]).graph()
      let rows = 3
      let tensors = try RandomInputs.tensors(for: gradient, rows: rows, seed: 9)
      let found = try #require(try Self.values(gradient, tensors, rows: rows)["d_x"])
      let rowsOf = { (name: String) -> [[Double]] in
        let all = tensors[name]?.doubles ?? []
        return (0..<rows).map { Array(all[$0 * extent..<($0 + 1) * extent]) }
      }
      let weights = tensors["gain"]?.doubles ?? []
      for row in 0..<rows {
        let q = zip(rowsOf("d_y")[row], weights).map { $0 * $1 }
        for (element, expected) in backward(rowsOf("x")[row], q).enumerated() {
          let value = found[row * extent + element]
          #expect(abs(value.value - expected) <= value.error)
        }
      }
    }
  }

  // MARK: Form

  @Test func normsTakeTheFewestPasses() throws {
    let x = Tensor.input("x", [.rows, 256], .f32)
    let gain = Tensor.input("gain", [256], .f32)
    let norms: [(Tensor, Int)] = [
      (x.rmsNorm(gain: gain), 2),
      (x.rmsNorm(gain: gain, semantics: .paperTorch), 2),
      (x.rmsNorm(gain: gain, statistics: .leading(count: 16)), 2),
      (x.layerNorm(gain: gain), 3),
      (x.layerNorm(gain: gain, semantics: .paper), 3),
    ]
    for (norm, passes) in norms {
      let graph = try Kernel("k", norm).gradient(withRespectTo: ["x"]).graph()
      #expect(try FusionPlanner.region(of: graph).passes.count == passes)
    }
  }

  @Test func savedValuesAreReadAndNotComputed() throws {
    let x = Tensor.input("x", [.rows, 64], .f32)
    let kernel = Kernel("k", x.rmsNorm(gain: .input("gain", [64], .f32)))
    let gradient = try kernel.gradient(saving: ["inv_rms"]).graph()
    #expect(
      gradient.inputs.compactMap { gradient[$0].inputName } == ["x", "gain", "inv_rms", "d_y"])
    #expect(!gradient.nodes.contains { $0.op == .elementwise(.squareRoot) })
    let forward = try kernel.storing(["inv_rms"]).graph()
    #expect(forward.outputs.map(\.name) == ["y", "inv_rms"])

    let rows = 2
    var tensors = try RandomInputs.tensors(
      for: try kernel.gradient().graph(), rows: rows, seed: 3)
    let whole = try Self.values(try kernel.gradient().graph(), tensors, rows: rows)
    let saved = try #require(try Self.values(forward, tensors, rows: rows)["inv_rms"])
    tensors["inv_rms"] = try HostTensor(saved.map(\.value), shape: [rows, 1], .f32)
    let read = try Self.values(gradient, tensors, rows: rows)
    for name in ["d_x", "d_gain"] {
      for (left, right) in zip(whole[name] ?? [], read[name] ?? []) {
        #expect(abs(left.value - right.value) <= left.error + right.error)
      }
    }
  }

  // MARK: Equations 8 to 10

  @Test(arguments: [0, 1, 2])
  func scalesOfDataAndWeightsActAsThePaperSays(_ norm: Int) throws {
    let (width, extent) = (10, 16)
    let x = Tensor.input("x", [.rows, .fixed(width)], .f32)
    let product = x.matmul(.input("w", [.fixed(width), .fixed(extent)], .f32))
    let gain = Tensor.input("gain", [.fixed(extent)], .f32)
    let shift = Tensor.input("shift", [.fixed(extent)], .f32)
    let rms = RMSNormSemantics(epsilonPlacement: .none)
    let v =
      switch norm {
      case 0: product.rmsNorm(gain: gain, shift: shift, semantics: rms)
      case 1:
        product.rmsNorm(
          gain: gain, shift: shift, statistics: .leading(count: 3), semantics: rms)
      default:
        product.layerNorm(
          gain: gain, shift: shift, semantics: LayerNormSemantics(epsilonPlacement: .none))
      }
    let gradient = try Kernel("k", v).gradient().graph()
    let tensors = try RandomInputs.tensors(for: gradient, rows: 4, seed: 8)
    func scaled(_ name: String, by factor: Double) throws -> [String: [Bounded]] {
      var changed = tensors
      let old = try #require(tensors[name])
      changed[name] = try HostTensor(old.doubles.map { $0 * factor }, shape: old.shape, .f32)
      return try Self.values(gradient, changed, rows: 4)
    }
    let base = try Self.values(gradient, tensors, rows: 4)
    let data = try scaled("x", by: 8)
    let weights = try scaled("w", by: 8)
    // Equation 8: ∂shift and ∂gain do not see the scale. A power of two changes no bit.
    for name in ["d_shift", "d_gain"] {
      #expect(base[name]?.map(\.value) == data[name]?.map(\.value))
      #expect(base[name]?.map(\.value) == weights[name]?.map(\.value))
    }
    // Equation 10: R' = R/δ, so ∂W stays under x → δx and is divided under W → δW.
    #expect(base["d_w"]?.map(\.value) == data["d_w"]?.map(\.value))
    #expect(base["d_w"]?.map { $0.value / 8 } == weights["d_w"]?.map(\.value))
    #expect(base["d_x"]?.map { $0.value / 8 } == data["d_x"]?.map(\.value))
    // ⟨∂W, W⟩ = 0: the norm does not see the length of W.
    let w = try #require(tensors["w"]).doubles
    let d = try #require(base["d_w"])
    let product0 = zip(d, w).reduce(0) { $0 + $1.0.value * $1.1 }
    #expect(abs(product0) <= zip(d, w).reduce(0) { $0 + $1.0.error * abs($1.1) })
    #expect(d.contains { abs($0.value) > 1e-3 })
  }

  // MARK: Mutants

  /// Every wrong sign, missing term and wrong window in the norms' gradients is seen.
  @Test func mutantsOfGradientsAreCaught() throws {
    let x = Tensor.input("x", [.rows, 12], .f32)
    let residual = Tensor.input("residual", [.rows, 12], .f32)
    let gain = Tensor.input("gain", [12], .f32)
    let kernels = [
      Kernel("rms", x.rmsNorm(gain: gain, epsilon: 0.5)),
      Kernel("partial", x.rmsNorm(gain: gain, epsilon: 0.5, statistics: .leading(count: 5))),
      // A correction is 0 in real numbers: what becomes of it shows in LargeMeanTests.
      Kernel(
        "layer",
        x.layerNorm(gain: gain, epsilon: 0.5, semantics: LayerNormSemantics(centring: .plain))),
      Kernel("residual", (x + residual).rmsNorm(gain: gain, epsilon: 0.5).silu()),
      Kernel("split", x.columns(0..<5).rmsNorm(epsilon: 0.5) * x.columns(7..<12)),
    ]
    var count = 0
    for kernel in kernels {
      let differences = try CentralDifferences(try kernel.graph(), rows: 2, seed: 4)
      let gradient = try kernel.gradient().graph()
      for id in gradient.values {
        for mutant in Self.mutants(of: id, in: gradient) {
          var nodes = gradient.nodes
          nodes[id.index] = mutant
          let graph = Graph(
            name: gradient.name, nodes: nodes, inputs: gradient.inputs,
            outputs: gradient.outputs, scopes: gradient.scopes)
          count += 1
          #expect(
            try differences.mistake(in: graph) != nil,
            "\(kernel.name): \(gradient[id].op) became \(mutant.op)")
        }
      }
    }
    #expect(count >= 20)
  }

  private static func mutants(of id: ValueID, in graph: Graph) -> [Node] {
    let node = graph[id]
    func with(_ op: Op, _ operands: [ValueID]? = nil) -> Node {
      Node(
        op: op, operands: operands ?? node.operands, shape: node.shape, name: node.name,
        scope: node.scope)
    }
    switch node.op {
    case .elementwise(.add): return [with(.elementwise(.subtract))]
    case .elementwise(.subtract): return [with(.elementwise(.add))]
    case .elementwise(.negate): return [with(.elementwise(.absolute))]
    case .statistic(let statistic) where statistic.reduction == .mean:
      return [with(.statistic(Statistic(.sum, over: statistic.window)))]
    case .statistic(let statistic) where statistic.reduction == .sum:
      return [with(.statistic(Statistic(.mean, over: statistic.window)))]
    // Zeros where no column was taken.
    case .constant(0): return [with(.constant(1))]
    case .leadingPart where graph.constant(node.operands[0]) != nil: return []
    case .concatenate: return [with(.concatenate, node.operands.reversed())]
    case .columns(let start, let count):
      return [with(.columns(start: start > 0 ? start - 1 : 1, count: count))]
    case .leadingPart(let leading, let extent):
      return [
        with(.leadingPart(count: leading - 1, extent: extent)),
        with(.leadingPart(count: leading + 1, extent: extent)),
      ]
    case .rowSum(let sum):
      return [with(.rowSum(RowSum(.mean, keeping: sum.keptAxes)))]
    case .elementwise(.multiplyAdd):
      // Without the addend's factor: a · b + a.
      return [
        with(.elementwise(.multiplyAdd), [node.operands[2], node.operands[1], node.operands[2]])
      ]
    case .input, .constant, .elementwise, .statistic, .convert, .reshape, .matmul, .outerSum,
      .dequantize:
      return []
    }
  }

  // MARK: Random graphs

  /// Gradients of random kernels, in Float32 without rounding points, against central differences.
  ///
  /// Kernels whose values are not finite, or near whose values something is not smooth, tell
  /// nothing and are counted: most must tell.
  @Test func gradientsOfRandomGraphsAreThoseOfCentralDifferences() throws {
    var judged = 0
    for seed in UInt64(1)...60 {
      let graph = try Self.withoutRoundings(RandomGraph(seed: seed, longestRow: 17).kernel.graph())
      guard let gradient = try Self.gradient(of: graph) else { continue }
      let differences = try CentralDifferences(graph, rows: 2, seed: seed)
      let names = Set(gradient.inputs.compactMap { gradient[$0].inputName })
      let values = try GraphInterpreter.allValues(
        of: gradient, rows: 2, inputs: differences.tensors.filter { names.contains($0.key) })
      for output in gradient.outputs {
        let name = String(output.name.dropFirst(2))
        for (element, found) in values[output.value.index].prefix(8).enumerated() {
          let expected = try differences.derivative(by: name, element)
          let tolerance = expected.error + found.error
          guard tolerance.isFinite, tolerance <= 0x1p-7 * abs(found.value) else { continue }
          judged += 1
          #expect(
            abs(found.value - expected.value) <= tolerance,
            "seed \(seed), \(output.name)[\(element)]: \(found.value), \(expected.value)")
        }
      }
    }
    #expect(judged >= 400)
  }

  /// The gradient; nil if there is no input to differentiate by, or none that can be summed.
  private static func gradient(of graph: Graph) throws -> Graph? {
    let result = Result { () throws -> Graph in try graph.gradient() }
    if case .failure(let error as GradientError) = result {
      if case .noInput = error { return nil }
      if case .repeatedAxes = error { return nil }
      if case .severalSums = error { return nil }
    }
    return try result.get()
  }

  /// The graph with Float32 storage everywhere; rounding points have no differences.
  private static func withoutRoundings(_ graph: Graph) -> Graph {
    let nodes = graph.nodes.map { node -> Node in
      let op: Op
      switch node.op {
      case .input(let name, _): op = .input(name: name, storage: .f32)
      case .convert: op = .convert(.f32)
      case .constant, .elementwise, .statistic, .reshape, .columns, .concatenate, .leadingPart,
        .matmul, .rowSum, .outerSum, .dequantize:
        op = node.op
      }
      return Node(
        op: op, operands: node.operands, shape: node.shape, name: node.name, scope: node.scope)
    }
    return Graph(
      name: graph.name, nodes: nodes, inputs: graph.inputs,
      outputs: graph.outputs.map { Output(name: $0.name, value: $0.value, storage: .f32) },
      scopes: graph.scopes)
  }

  // MARK: Errors

  @Test func whatHasNoGradientIsATypedError() throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let z = Tensor.input("z", [.rows, 8], .f32)
    let kernel = Kernel("k", x.select(ifGreaterThan: z, x, else: .constant(0)))
    #expect(throws: GradientError.unknownInput("q", kernel: "k", known: ["x", "z"])) {
      try kernel.gradient(withRespectTo: ["q"])
    }
    #expect(throws: GradientError.noPath(input: "z", kernel: "k")) {
      try kernel.gradient(withRespectTo: ["z"])
    }
    #expect(throws: GradientError.unknownValue("inv_rms", kernel: "k", known: ["y"])) {
      try kernel.gradient(saving: ["inv_rms"])
    }
    #expect(throws: GradientError.noInput(kernel: "k")) {
      try Kernel("k", z.select(ifGreaterThan: x, .constant(1), else: .constant(0))).gradient()
    }
    let named = Kernel("k", x * Tensor.input("d_y", [.rows, 8], .f32))
    #expect(
      throws: GradientError.graph(GraphError(.duplicateName("d_y"), kernel: "k_gradient"))
    ) { try named.gradient() }
  }
}
