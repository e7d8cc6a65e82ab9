import NormGen
import NormGenC
import NormGenCheck
import NormGenLoops
import NormGenLowering
import Testing

/// Wrong kernels with matmuls, each of which the check must catch by the right graph's oracle.
@Suite struct MatmulMutantTests {
  typealias Parameters = MatmulSpecimen.Parameters
  static let rows = 15

  /// What the C of a lowering, or an edited one, computes on seeded inputs.
  private func outputs(
    _ right: Lowering, source: String? = nil
  ) throws -> (call: KernelCall, outputs: [String: HostTensor]) {
    let inputs = try RandomInputs.tensors(for: right.graph, rows: Self.rows, seed: 13)
    let outputs = try LaidOutCall(
      lowering: source.map { right.replacingSource(with: $0) } ?? right, rows: Self.rows,
      inputs: inputs
    ).outputs(at: .beginning)
    return (KernelCall(right, rows: Self.rows, inputs: inputs), outputs)
  }

  /// Adds what an edited source of a kernel computes to the catches.
  private func judge(
    _ catches: inout MutantCatches, kernel: String, _ right: Lowering, source: String,
    _ detail: String
  ) throws {
    #expect(source != right.source.source)
    let (call, expected) = try outputs(right)
    let (_, found) = try outputs(right, source: source)
    try catches.add(kernel: kernel, call, right: expected, wrong: found, detail)
  }

  // MARK: Wrong graphs

  struct GraphMutant: Sendable, CustomTestStringConvertible {
    let name: String
    let right: @Sendable (Parameters) -> Tensor
    let wrong: @Sendable (Parameters) -> Tensor
    /// The second kernel; a row is seen one way by one norm and its neighbours.
    let second: Place

    var testDescription: String { name }

    init(
      _ name: String, second: Place = .normed, right: @escaping @Sendable (Parameters) -> Tensor,
      wrong: @escaping @Sendable (Parameters) -> Tensor
    ) {
      self.name = name
      self.second = second
      self.right = right
      self.wrong = wrong
    }

    /// What comes behind the value.
    enum Place: String {
      case alone = "alone"
      case normed = "before a LayerNorm"
      case projected = "before a product"
    }

    func lowering(
      _ value: @Sendable (Parameters) -> Tensor, _ place: Place, _ shape: MatmulSpecimen.Shape,
      _ target: Target
    ) throws -> Lowering {
      let parts = Parameters(shape: shape, epsilon: 0.8765)
      var y = value(parts)
      switch place {
      case .alone: break
      case .normed: y = y.layerNorm(epsilon: 0.8765)
      case .projected: y = y.matmul(parts.weights("out", parts.columns, 9))
      }
      return try Compiler(target: target).lower(
        Kernel("mutant", outputs: [Kernel.Output("y", y)]))
    }
  }

  private static func square(_ parts: Parameters, _ name: String = "w") -> Tensor {
    parts.weights(name, parts.terms, parts.terms)
  }

  static let graphs: [GraphMutant] = [
    GraphMutant(
      "layout exchanged", right: { $0.x.matmul(square($0)) },
      wrong: { $0.x.matmul(square($0), layout: .outIn) }),
    GraphMutant(
      "bias missing", right: { $0.rms($0.biased.gelu()) },
      wrong: { $0.rms(($0.product + 0 * $0.vector("bias", $0.columns)).gelu()) }),
    GraphMutant(
      "bias after the activation", right: { $0.biased.silu() },
      wrong: { $0.product.silu() + $0.vector("bias", $0.columns) }),
    GraphMutant(
      "another gelu", right: { $0.biased.gelu() }, wrong: { $0.biased.geluTanh() }),
    GraphMutant(
      "residual after the norm", right: { $0.layer($0.product + $0.residual) },
      wrong: { $0.layer($0.product) + $0.residual }),
    GraphMutant(
      "gate without tanh",
      right: { $0.rms($0.residual + $0.product * $0.vector("alpha", 1).tanh()) },
      wrong: { $0.rms($0.residual + $0.product * $0.vector("alpha", 1)) }),
    GraphMutant(
      "gate and up exchanged",
      right: {
        $0.times($0.x, "a", $0.terms, $0.columns).silu() * $0.times($0.x, "b", $0.terms, $0.columns)
      },
      wrong: {
        $0.times($0.x, "a", $0.terms, $0.columns) * $0.times($0.x, "b", $0.terms, $0.columns).silu()
      }),
    GraphMutant(
      "input not normalized", right: { $0.times($0.normedInput, "w", $0.terms, $0.columns) },
      wrong: { $0.times($0.x * $0.vector("gain_x", $0.terms), "w", $0.terms, $0.columns) }),
    GraphMutant(
      "residual of the value before the norm",
      right: { $0.normedInput.matmul(square($0)) + $0.normedInput },
      wrong: { $0.normedInput.matmul(square($0)) + $0.x }),
    GraphMutant(
      "norm over the whole row, not each head", second: .projected,
      right: {
        let heads = $0.product.reshaped([.rows, 3, .fixed($0.columns / 3)])
        return heads.rmsNorm(epsilon: $0.epsilon).reshaped([.rows, .fixed($0.columns)])
      },
      wrong: { $0.product.rmsNorm(epsilon: $0.epsilon) }),
    GraphMutant(
      "division left out",
      right: { $0.product / (($0.x * $0.x).mean() + $0.epsilon).squareRoot() },
      wrong: { $0.product / (($0.x * $0.x).mean() + $0.epsilon) }),
    GraphMutant(
      "weights of the other matmul",
      right: { $0.x.matmul(square($0)).relu().matmul(square($0, "v")) },
      wrong: {
        let v = square($0, "w")
        return $0.x.matmul(square($0, "v")).relu().matmul(v)
      }),
  ]

  @Test(arguments: graphs)
  func wrongGraphIsCaught(mutant: GraphMutant) throws {
    var catches = MutantCatches(mutant.name)
    let target = HostCPU.current.bestTarget
    let types = Specimen.Types.all
    for (place, types) in [
      (.alone, types[0]), (.alone, types[1]), (mutant.second, types[0]),
    ] as [(GraphMutant.Place, Specimen.Types)] {
      let shape = MatmulSpecimen.Shape(terms: 70, columns: 45, types: types)
      let right = try mutant.lowering(mutant.right, place, shape, target)
      let wrong = try mutant.lowering(mutant.wrong, place, shape, target)
      #expect(
        right.program.buffers.map(\.name).sorted() == wrong.program.buffers.map(\.name).sorted())
      let (call, expected) = try outputs(right)
      let found = try Compiler(target: target).compile(wrong)(call.inputs)
      try catches.add(
        kernel: place.rawValue, call, right: expected, wrong: found, "\(types)")
    }
    catches.require()
  }

  // MARK: Wrong programs

  /// A change of the steps of a program.
  struct ProgramMutant: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the verifier says; nil where only the oracle can know.
    let message: String?
    let change: @Sendable ([LoopProgram.Step]) -> [LoopProgram.Step]

    var testDescription: String { name }

    func program(_ right: LoopProgram) -> LoopProgram {
      LoopProgram(
        name: right.name, buffers: right.buffers, lanes: right.lanes, chunkRows: right.chunkRows,
        panels: right.panels, steps: change(right.steps))
    }
  }

  /// Changes the products of every step.
  private static func products(
    _ change: @escaping @Sendable ([Product]) -> [Product]
  ) -> @Sendable ([LoopProgram.Step]) -> [LoopProgram.Step] {
    { steps in
      steps.map { step in
        switch step {
        case .rows, .sumRows: step
        case .multiply(let products): .multiply(change(products))
        }
      }
    }
  }

  private static func changed(
    _ product: Product, weights: String? = nil, sums: String? = nil, depth: Int = 0,
    columns: Int = 0, matmul: Matmul? = nil
  ) -> Product {
    Product(
      x: product.x, weights: weights ?? product.weights, storage: product.storage,
      sums: sums ?? product.sums, depth: product.depth + depth,
      columns: product.columns + columns, matmul: matmul ?? product.matmul,
      tile: DotTile(
        (matmul ?? product.matmul).accumulation, rows: product.tile.rows,
        vectors: product.tile.vectors),
      isPacked: product.isPacked)
  }

  static let programs: [ProgramMutant] = [
    ProgramMutant(
      name: "weights exchanged", message: nil,
      change: products { products in
        zip(products, products.reversed()).map { changed($0, weights: $1.weights) }
      }),
    ProgramMutant(
      name: "products exchanged", message: nil,
      change: products { products in
        zip(products, products.reversed()).map { changed($0, sums: $1.sums) }
      }),
    ProgramMutant(
      name: "layout exchanged", message: nil,
      change: products { products in
        products.map { changed($0, matmul: Matmul(layout: .outIn)) }
      }),
    ProgramMutant(
      name: "last term missing", message: "is no panel of 44",
      change: products { $0.map { changed($0, depth: -1) } }),
    ProgramMutant(
      name: "last column missing", message: "is no panel of 44 f32",
      change: products { $0.map { changed($0, columns: -1) } }),
  ]

  static let refused: [ProgramMutant] = [
    ProgramMutant(name: "products missing", message: "is read before it is written") { steps in
      steps.filter { if case .multiply = $0 { false } else { true } }
    },
    ProgramMutant(name: "products twice", message: "is written twice") { steps in
      steps.flatMap { step in if case .multiply = step { [step, step] } else { [step] } }
    },
    ProgramMutant(name: "steps reversed", message: "is read before it is written") {
      $0.reversed()
    },
    ProgramMutant(name: "last step missing", message: "is never written") { $0.dropLast() },
  ]

  /// Kernels with two matmuls that are alike, of a normalized row and of a row.
  static let gated = ["gate_up_silu", "gate_up_gelu"]

  private func gated(_ target: Target, _ name: String = gated[0]) throws -> Lowering {
    let specimen = try #require(MatmulSpecimen.named(name))
    return try Compiler(target: target).lower(
      specimen.graph(MatmulSpecimen.Shape(terms: 45, columns: 45)))
  }

  @Test(arguments: programs)
  func wrongProgramIsCaught(mutant: ProgramMutant) throws {
    var catches = MutantCatches(mutant.name)
    for (name, target) in Self.gated.flatMap({ name in Targets.native.map { (name, $0) } }) {
      let right = try gated(target, name)
      let program = mutant.program(right.program)
      let module = FunctionLowering.module(
        of: program, target: target, schedules: right.schedules)
      let source = try CEmitter.source(
        of: module, program: program, graph: right.graph, target: target,
        schedules: right.schedules, command: "none")
      try judge(&catches, kernel: name, right, source: source.source, "\(target)")
    }
    catches.require()
  }

  @Test(arguments: programs + refused)
  func verifierRefusesWhatDoesNotFit(mutant: ProgramMutant) throws {
    let right = try gated(.portable).program
    try LoopProgramVerifier.verify(right)
    guard let message = mutant.message else {
      try LoopProgramVerifier.verify(mutant.program(right))
      return
    }
    let error = #expect(throws: LoopError.self) {
      try LoopProgramVerifier.verify(mutant.program(right))
    }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  // MARK: Wrong C

  /// An edit of the C of a matmul of 530 terms, or of 33 by 33.
  struct Edit: Sendable, CustomTestStringConvertible {
    let name: String
    let pattern: String
    let replacement: String
    var layouts = [Matmul.WeightLayout.inOut]
    var isSquare = false
    var judge = MutantCatches.Judge.bound

    var testDescription: String { name }
  }

  static let edits: [Edit] = [
    Edit(name: "k − 1", pattern: "k < depth; ++k", replacement: "k + 1 < depth; ++k"),
    Edit(
      name: "last block missing", pattern: "k < 530; k += 512",
      replacement: "k + 512 < 530; k += 512"),
    Edit(
      name: "block result overwritten", pattern: "is_first ? chain[r][v] : load_f32(sum) + ",
      replacement: ""),
    Edit(
      name: "chain not from zero", pattern: "chain[r][v] = broadcast(0.0f)",
      replacement: "chain[r][v] = broadcast(1e-3f)"),
    Edit(
      name: "last column dropped", pattern: "left > 0", replacement: "left > 1"),
    Edit(
      name: "last column dropped", pattern: "c < count ?", replacement: "c + 1 < count ?",
      layouts: [.outIn]),
    Edit(
      name: "wrong row of x", pattern: " * r + k]", replacement: " * (height - 1 - r) + k]"),
    Edit(
      name: "last row missing", pattern: "      for (; row < rows;",
      replacement: "      for (; row + 1 < rows;"),
    Edit(name: "block of x not moved", pattern: "x_block = x + k", replacement: "x_block = x"),
    Edit(name: "first sliver again", pattern: "* sliver + ", replacement: "* 0 + "),
    Edit(
      // Only as far as the weights go from the sliver's first one on.
      name: "layout exchanged", pattern: "weights[33 * c + i]",
      replacement: "weights[i < count ? 33 * i + c : 33 * c + i]", layouts: [.outIn],
      isSquare: true),
    Edit(
      name: "bias missing", pattern: " + load_f32(bias + ", replacement: " + 0 * load_f32(bias + "),
    Edit(
      name: "reassociated sum",
      pattern: "k += 512) {\n      const int64_t depth = 530 - k < 512 ? 530 - k : 512;",
      replacement: "k += 256) {\n      const int64_t depth = 530 - k < 256 ? 530 - k : 256;",
      judge: .bits),
  ]

  /// A norm of what an activation gives, and a LayerNorm of it with a residual.
  static let edited = ["gelu_rms", "silu_residual_layer"]

  @Test(arguments: edits)
  func wrongCIsCaught(edit: Edit) throws {
    var catches = MutantCatches(edit.name, by: edit.judge)
    for (name, target) in Self.edited.flatMap({ name in Targets.native.map { (name, $0) } }) {
      let specimen = try #require(MatmulSpecimen.named(name))
      for layout in edit.layouts {
        let shape = MatmulSpecimen.Shape(
          terms: edit.isSquare ? 33 : 530, columns: 33, layout: layout)
        let right = try Compiler(target: target).lower(specimen.graph(shape))
        let source = right.source.source.replacing(edit.pattern, with: edit.replacement)
        try judge(&catches, kernel: name, right, source: source, "\(target) \(layout)")
      }
    }
    catches.require()
  }
}
