import NormGen
import NormGenCheck
import Testing

/// A kernel and a wrong one of the same parameters, such as a mistake would make it.
struct GraphMutant: Sendable, CustomTestStringConvertible {
  let name: String
  let right: @Sendable (Specimen.Parameters) -> [Kernel.Output]
  let wrong: @Sendable (Specimen.Parameters) -> [Kernel.Output]
  /// Some mistakes only show in half types.
  var types = [Specimen.Types.all[0], Specimen.Types.all[1], Specimen.Types.all[2]]

  var testDescription: String { name }

  init(
    _ name: String, halvesOnly: Bool = false,
    right: @escaping @Sendable (Specimen.Parameters) -> Tensor,
    wrong: @escaping @Sendable (Specimen.Parameters) -> Tensor
  ) {
    self.name = name
    self.right = { [Kernel.Output("y", right($0), as: $0.types.input)] }
    self.wrong = { [Kernel.Output("y", wrong($0), as: $0.types.input)] }
    if halvesOnly { types.removeFirst() }
  }

  static let epsilon: Float = 0.8765

  /// RMSNorm with its pieces for others to get wrong.
  private static func rms(
    _ parts: Specimen.Parameters, epsilon: Float = epsilon, window: StatisticWindow = .all,
    _ semantics: RMSNormSemantics = .fused
  ) -> Tensor {
    parts.x.rmsNorm(
      gain: parts.gain, epsilon: epsilon, statistics: window, semantics: semantics)
  }

  /// LayerNorm of a given divisor.
  private static func layer(
    _ parts: Specimen.Parameters, _ variance: (_ x: Tensor, _ centred: Tensor) -> Tensor
  ) -> Tensor {
    let centred = parts.x - parts.x.mean()
    let deviation = (variance(parts.x, centred) + epsilon).squareRoot()
    return (centred / deviation).multiplyAdd(parts.gain, parts.shift)
  }

  private static func residual(_ parts: Specimen.Parameters, rounded: Bool) -> Tensor {
    let sum = parts.x + parts.row("residual")
    let hidden = rounded ? sum.rounded(to: parts.types.input) : sum
    return hidden.rmsNorm(gain: parts.gain, epsilon: epsilon)
  }

  static let all: [GraphMutant] = [
    GraphMutant(
      "no epsilon", right: { rms($0) },
      wrong: { rms($0, RMSNormSemantics(epsilonPlacement: .none)) }),
    GraphMutant("wrong epsilon", right: { rms($0) }, wrong: { rms($0, epsilon: 0.9) }),
    GraphMutant(
      "epsilon outside the root", right: { rms($0) },
      wrong: { rms($0, RMSNormSemantics(epsilonPlacement: .outside)) }),
    GraphMutant(
      "epsilon inside the root", right: { rms($0, .paperTorch) },
      wrong: { rms($0, RMSNormSemantics(scaling: .division)) }),
    GraphMutant(
      "k + 1", right: { rms($0, window: .leading(count: $0.third)) },
      wrong: { rms($0, window: .leading(count: $0.third + 1)) }),
    GraphMutant(
      "k − 1", right: { rms($0, window: .leading(count: $0.third)) },
      wrong: { rms($0, window: .leading(count: $0.third - 1)) }),
    GraphMutant(
      "window ignored", right: { rms($0, window: .leading(count: $0.third)) },
      wrong: { rms($0) }),
    GraphMutant(
      "gain before the cast", halvesOnly: true, right: { rms($0, .llama) },
      wrong: { rms($0, .torch) }),
    GraphMutant(
      "cast before the gain", halvesOnly: true, right: { rms($0, .torch) },
      wrong: { rms($0, .llama) }),
    GraphMutant(
      "residual rounded", halvesOnly: true, right: { residual($0, rounded: false) },
      wrong: { residual($0, rounded: true) }),
    GraphMutant(
      "residual not rounded", halvesOnly: true, right: { residual($0, rounded: true) },
      wrong: { residual($0, rounded: false) }),
    GraphMutant(
      "mean of |x|", right: { rms($0) },
      wrong: { parts in
        let mean = parts.x.absolute().mean()
        return parts.x / (mean * mean + epsilon).squareRoot() * parts.gain
      }),
    GraphMutant(
      "sum instead of mean", right: { rms($0) },
      wrong: { parts in
        parts.x / ((parts.x * parts.x).sum() + epsilon).squareRoot() * parts.gain
      }),
    GraphMutant(
      "gain without offset", right: { rms($0, .gemma) }, wrong: { rms($0, .torch) }),
    GraphMutant(
      "range of 128", right: { $0.x.quantizedRows().values },
      wrong: { parts in
        (parts.x / (parts.x.absolute().rowMaximum() / 128)).rounded(to: .i8)
      }),
    GraphMutant(
      "greatest instead of greatest magnitude", right: { $0.x.quantizedRows().values },
      wrong: { parts in (parts.x / (parts.x.rowMaximum() / 127)).rounded(to: .i8) }),
    GraphMutant(
      "divisor n − 1", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        layer(parts) { ($1 * $1).sum() / Float(parts.extent - 1) }
      }),
    GraphMutant(
      "uncentred variance", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { layer($0) { x, _ in (x * x).mean() } }),
    GraphMutant(
      "row not centred", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        let centred = parts.x - parts.x.mean()
        let deviation = ((centred * centred).mean() + epsilon).squareRoot()
        return (parts.x / deviation).multiplyAdd(parts.gain, parts.shift)
      }),
    GraphMutant(
      "gain and shift exchanged", right: { layer($0) { ($1 * $1).mean() } },
      wrong: { parts in
        let centred = parts.x - parts.x.mean()
        let deviation = ((centred * centred).mean() + epsilon).squareRoot()
        return (centred / deviation).multiplyAdd(parts.shift, parts.gain)
      }),
  ]
}

/// Wrong kernels, each of which the check must catch by the oracle of the right graph.
@Suite struct MutantTests {
  static let rows = 4
  static let extents = [300, 77]

  /// Whether the oracle of `right` accepts what `kernel` computes.
  private func isAccepted(
    _ kernel: CompiledKernel, as right: Lowering
  ) throws -> Bool {
    let inputs = try RandomInputs.tensors(for: right.graph, rows: Self.rows, seed: 13)
    let call = KernelCall(right, rows: Self.rows, inputs: inputs)
    let check = try KernelCheck(call, outputs: try kernel(inputs))
    #expect(check.outputs.allSatisfy { $0.agreement.vacuous == 0 })
    return check.passes
  }

  @Test(arguments: GraphMutant.all)
  func wrongGraphIsCaught(mutant: GraphMutant) throws {
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    for types in mutant.types {
      for extent in Self.extents {
        let parts = Specimen.Parameters(
          extent: extent, types: types, epsilon: GraphMutant.epsilon)
        let right = try compiler.lower(Kernel("right", outputs: mutant.right(parts)))
        let wrong = try compiler.lower(Kernel("wrong", outputs: mutant.wrong(parts)))
        #expect(
          right.program.buffers.map(\.name).sorted() == wrong.program.buffers.map(\.name).sorted())
        #expect(try isAccepted(compiler.compile(right), as: right), "\(extent) \(types)")
        #expect(
          try !isAccepted(compiler.compile(wrong), as: right),
          "'\(mutant.name)' survives for \(extent) elements of \(types)")
      }
    }
  }

  // MARK: Wrong loops

  /// A strategy that makes a mistake.
  struct Mistaken: Strategy {
    let name: String
    let summary = "a mistake"
    let change: @Sendable (Stmt) -> Stmt?

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> LoopKernel {
      let right = try RowStreaming().lowered(region, schedule: schedule, target: target)
      return LoopKernel(
        name: right.name, buffers: right.buffers, lanes: right.lanes, row: changed(right.row),
        tile: right.tile, tileScalars: right.tileScalars, tileGroups: right.tileGroups,
        summary: right.summary)
    }

    private func changed(_ statements: [Stmt]) -> [Stmt] {
      statements.compactMap { statement in
        switch statement {
        case .loop(let index, let from, let to, let step, let body):
          return .loop(index: index, from: from, to: to, step: step, body: changed(body))
        case .block(let text, let body):
          return .block(text, changed(body))
        case .rows(let body):
          return .rows(changed(body))
        case .comment, .pointer, .scratch, .partials, .define, .variable, .assign, .accumulate,
          .store, .group, .setGroup, .storeGroup, .nextRow, .prefetch, .storeScalar:
          return change(statement)
        }
      }
    }

    static let all: [Mistaken] = [
      Mistaken(name: "tail of the statistic dropped") { statement in
        if case .accumulate(_, _, _, _, .first) = statement { return nil }
        return statement
      },
      Mistaken(name: "tail of the output dropped") { statement in
        if case .store(_, _, _, .first) = statement { return nil }
        return statement
      },
      Mistaken(name: "last column missing") { statement in
        guard case .store(let pointer, let index, let value, .first(let count)) = statement else {
          return statement
        }
        return count == 1 ? nil : .store(pointer, at: index, value, .first(count - 1))
      },
      Mistaken(name: "maximum for sum") { statement in
        guard case .accumulate(let partials, let slot, .mean, let terms, let lanes) = statement,
          terms.count == 2
        else { return statement }
        return .accumulate(
          partials: partials, slot: slot, .max, terms: [.apply(.multiply, terms)], lanes)
      },
    ]
  }

  @Test(arguments: Mistaken.all.map(\.name), ["rms_fused", "rms_llama", "layer_fused"])
  func wrongLoopsAreCaught(mistake: String, specimen: String) throws {
    let mistaken = try #require(Mistaken.all.first { $0.name == mistake })
    let specimen = try #require(Specimen.named(specimen))
    for extent in [301, 77] {
      let graph = try specimen.kernel(extent, Specimen.Types.all[extent % 2], epsilon: 0.8765)
        .graph()
      for target in Targets.native {
        let right = try Compiler(target: target).lower(graph)
        var trace = CompilerTrace()
        trace.verifies = false
        var compiler = Compiler(target: target, trace: trace)
        compiler.strategies = [mistaken]
        let wrong = try compiler.compile(graph)
        #expect(wrong.lowering.source.source != right.source.source)
        #expect(
          try !isAccepted(wrong, as: right), "'\(mistake)' survives for \(extent) on \(target)")
      }
    }
  }

  // MARK: Wrong C

  static let edits: [(name: String, from: String, to: String)] = [
    ("last row missing", "row < rows", "row < rows - 1"),
    ("first row missing", "int64_t row = 0", "int64_t row = 1"),
    ("wrong stride of the input", "strides[0]", "strides[0] - 1"),
    ("row stride ignored", "strides[0]", "0"),
    ("epsilon lost", "0.8765f", "0.0f"),
  ]

  @Test(arguments: edits.map(\.name), ["rms_fused", "layer_fused"])
  func wrongCIsCaught(name: String, specimen: String) throws {
    let edit = try #require(Self.edits.first { $0.name == name })
    let specimen = try #require(Specimen.named(specimen))
    for types in Specimen.Types.all.prefix(3) {
      let graph = try specimen.kernel(300, types, epsilon: 0.8765).graph()
      var compiler = Compiler(target: HostCPU.current.bestTarget)
      compiler.schedule = Schedule(rowTile: 1)
      let right = try compiler.lower(graph)
      let source = right.source.source.replacing(edit.from, with: edit.to)
      #expect(source != right.source.source, "'\(edit.from)' is not in the C")
      #expect(try isAccepted(compiler.compile(right), as: right))
      #expect(
        try !isAccepted(compiler.compile(right, source: source), as: right),
        "'\(name)' survives in \(specimen.name), \(types)")
    }
  }
}
