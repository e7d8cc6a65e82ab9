import NormGen
import NormGenCheck
import Testing

/// Wrong kernels, each of which the check must catch by the oracle of the right graph.
@Suite struct MutantTests {
  /// A last bit does not show in every row.
  private static func rows(_ judge: MutantCatches.Judge) -> Int { judge == .bits ? 64 : 4 }

  static let extents = [300, 77]

  /// Adds what a wrong kernel computes on seeded inputs to the catches.
  private func judge(
    _ catches: inout MutantCatches, kernel: String, _ right: Lowering, _ wrong: CompiledKernel,
    _ detail: String
  ) throws {
    let rows = Self.rows(catches.judge)
    let inputs = try RandomInputs.tensors(for: right.graph, rows: rows, seed: 13)
    try catches.add(
      kernel: kernel, KernelCall(right, rows: rows, inputs: inputs),
      right: try Compiler(target: right.target).compile(right)(inputs), wrong: try wrong(inputs),
      detail)
  }

  @Test(arguments: GraphMutant.all)
  func wrongGraphIsCaught(mutant: GraphMutant) throws {
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    var catches = MutantCatches(mutant.name, by: mutant.judge)
    for place in GraphMutant.Place.allCases {
      // A rounding to the storage type hides what two roundings in Float32 differ by.
      let types = mutant.judge == .bits ? [Specimen.Types.all[0]] : mutant.types
      for types in place == .rows ? types : Array(types.prefix(1)) {
        for extent in place == .rows ? Self.extents : [77] {
          let parts = Specimen.Parameters(
            extent: extent, types: types, epsilon: GraphMutant.epsilon,
            isProduct: place == .product)
          let right = try compiler.lower(Kernel("right", outputs: mutant.right(parts)))
          let wrong = try compiler.lower(Kernel("wrong", outputs: mutant.wrong(parts)))
          #expect(
            right.program.buffers.map(\.name).sorted()
              == wrong.program.buffers.map(\.name).sorted())
          try judge(
            &catches, kernel: place.rawValue, right, compiler.compile(wrong),
            "\(extent) elements of \(types)")
        }
      }
    }
    catches.require()
  }

  // MARK: Wrong loops

  /// A strategy that makes a mistake.
  struct Mistaken: Strategy {
    let name: String
    let summary = "a mistake"
    var judge = MutantCatches.Judge.bound
    let change: @Sendable (Stmt) -> Stmt?

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> RowProgram {
      let right = try RowStreaming().lowered(region, schedule: schedule, target: target)
      return RowProgram(
        name: right.name, buffers: right.buffers, lanes: right.lanes, row: changed(right.row),
        tile: right.tile, tileScalars: right.tileScalars, tileGroups: right.tileGroups,
        summary: right.summary)
    }

    private func changed(_ statements: [Stmt]) -> [Stmt] {
      statements.compactMap { statement in
        switch statement {
        case .loop(let index, let from, let to, let step, let body):
          return .loop(index: index, from: from, to: to, step: step, body: changed(body))
        case .section(let text, let body):
          return .section(text, changed(body))
        case .rows(let body):
          return .rows(changed(body))
        case .comment, .pointer, .scratch, .partials, .define, .variable, .assign, .accumulate,
          .store, .group, .setGroup, .storeGroup, .nextRow, .prefetch, .storeScalar, .prefetchLine,
          .storeStored, .index, .array, .setEntry, .when, .strips, .call, .carve, .memory, .step,
          .leave, .flag, .storeEntries, .finishStreams, .settle:
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
      Mistaken(name: "reassociated sum", judge: .bits) { statement in
        guard case .accumulate(let partials, _, let reduction, let terms, let lanes) = statement
        else { return statement }
        return .accumulate(
          partials: partials, slot: .constant(0), reduction, terms: terms, lanes)
      },
    ]

    static let specimens = ["rms_fused", "rms_llama", "layer_fused"]
  }

  @Test(arguments: Mistaken.all.map(\.name))
  func wrongLoopsAreCaught(mistake: String) throws {
    let mistaken = try #require(Mistaken.all.first { $0.name == mistake })
    var catches = MutantCatches(mistake, by: mistaken.judge)
    for name in Mistaken.specimens {
      let specimen = try #require(Specimen.named(name))
      for extent in [301, 77] {
        // What differs by a rounding in Float32 shows in Float32.
        let types = Specimen.Types.all[mistaken.judge == .bits ? 0 : extent % 2]
        let graph = try specimen.kernel(extent, types, epsilon: 0.8765).graph()
        for target in Targets.native {
          let right = try Compiler(target: target).lower(graph)
          var trace = CompilerTrace()
          trace.verifies = false
          var compiler = Compiler(target: target, trace: trace)
          compiler.strategies = [mistaken]
          let wrong = try compiler.compile(graph)
          #expect(wrong.lowering.source.source != right.source.source)
          try judge(&catches, kernel: name, right, wrong, "\(extent) elements, \(target)")
        }
      }
    }
    catches.require()
  }

  // MARK: Wrong C

  static let edits: [(name: String, from: String, to: String)] = [
    ("last row missing", "row < rows", "row < rows - 1"),
    ("first row missing", "int64_t row = 0", "int64_t row = 1"),
    ("wrong stride of the input", "strides[0]", "strides[0] - 1"),
    ("row stride ignored", "strides[0]", "0"),
    ("epsilon lost", "0.8765f", "0.0f"),
  ]

  @Test(arguments: edits.map(\.name))
  func wrongCIsCaught(name: String) throws {
    let edit = try #require(Self.edits.first { $0.name == name })
    var catches = MutantCatches(name)
    for specimenName in ["rms_fused", "layer_fused"] {
      let specimen = try #require(Specimen.named(specimenName))
      for types in Specimen.Types.all.prefix(3) {
        let graph = try specimen.kernel(300, types, epsilon: 0.8765).graph()
        var compiler = Compiler(target: HostCPU.current.bestTarget)
        compiler.schedule.region = Schedule(rowTile: 1)
        let right = try compiler.lower(graph)
        let source = right.source.source.replacing(edit.from, with: edit.to)
        #expect(source != right.source.source, "'\(edit.from)' is not in the C")
        try judge(
          &catches, kernel: specimenName, right, compiler.compile(right, source: source),
          "\(types)")
      }
    }
    catches.require()
  }
}
