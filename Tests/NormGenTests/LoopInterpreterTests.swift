import NormGen
import NormGenFuzz
import NormGenLoopInterpreter
import NormGenLowering
import NormGenTestSupport
import Testing

/// The lowered loops have the exact interpreter's bits before any C is printed, and a mistake in the
/// lowering is told from one in the C.
@Suite struct LoopInterpreterTests {
  /// Instruction sets with as many lanes each.
  static let targets = Target.general

  /// The loops' outputs on all targets, for parts of several sizes, are the exact ones.
  private func check(
    _ graph: Graph, rows: [Int], seed: UInt64, targets: [Target] = targets
  ) throws {
    for count in rows {
      let inputs = try RandomInputs.tensors(for: graph, rows: count, seed: seed)
      let reference = try ReferenceOutputs(
        of: graph, rows: count, inputs: inputs, columns: .all(of: graph))
      for target in targets {
        let module = try Compiler(target: target).lower(graph).module
        for parts in count > 1 ? [1, 3] : [1] {
          let outputs = try LoopInterpreter.outputs(
            of: module, rows: count, inputs: inputs, parts: parts)
          for (index, output) in graph.outputs.enumerated() {
            let tensor = try #require(outputs[output.name])
            let agreement = reference.judgement(of: tensor, output: index).exact
            #expect(
              agreement.passes,
              "'\(output.name)' of \(graph.name), \(target), \(count) rows, \(parts) parts: \(agreement)"
            )
          }
        }
      }
    }
  }

  @Test(arguments: Specimen.all)
  func loopsOfNormsHaveTheExactBits(specimen: Specimen) throws {
    let position = specimen.name.utf8.reduce(0) { ($0 * 31 + Int($1)) % 1009 }
    for (offset, types) in Specimen.Types.some(position) {
      let extent = [1, 5, 16, 33, 64, 77, 131][(position + offset) % 7]
      let graph = try specimen.kernel(extent, types, epsilon: 0.8765).graph()
      try check(graph, rows: [1, 5], seed: UInt64(offset))
    }
  }

  /// Beyond a block of the canonical order.
  @Test(arguments: ["rms_fused", "layer_fused", "partial_count"])
  func loopsOfLongRowsHaveTheExactBits(name: String) throws {
    let specimen = try #require(Specimen.named(name))
    let graph = try specimen.kernel(4163, Specimen.Types.all[0], epsilon: 0.8765).graph()
    try check(graph, rows: [2], seed: 1)
  }

  @Test(arguments: MatmulSpecimen.all)
  func loopsAroundProductsHaveTheExactBits(specimen: MatmulSpecimen) throws {
    for types in Specimen.Types.all.prefix(2) {
      for layout in [Matmul.WeightLayout.inOut, .outIn] {
        let shape = MatmulSpecimen.Shape(
          terms: 72, columns: 64, types: types, layout: layout, head: 16)
        try check(try specimen.graph(shape), rows: [1, 4], seed: 3, targets: [.portable, .avx512])
      }
    }
  }

  /// Several chunks of rows for each part, and rows beside whole tiles.
  @Test(arguments: [true, false])
  func loopsOfSeveralChunksHaveTheExactBits(packsWeights: Bool) throws {
    let specimen = try #require(MatmulSpecimen.named("gelu_rms"))
    let graph = try specimen.graph(MatmulSpecimen.Shape(terms: 20, columns: 33))
    let rows = 31
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 8)
    let reference = try ReferenceOutputs(
      of: graph, rows: rows, inputs: inputs, columns: .all(of: graph))
    for target in [Target.portable, .avx2] {
      var compiler = Compiler(target: target)
      compiler.schedule.matmul = MatmulSchedule(chunkRows: 6, packsWeights: packsWeights)
      let module = try compiler.lower(graph).module
      for parts in [1, 2, 3] {
        let outputs = try LoopInterpreter.outputs(
          of: module, rows: rows, inputs: inputs, parts: parts)
        let y = try #require(outputs[graph.outputs[0].name])
        let agreement = reference.judgement(of: y, output: 0).exact
        #expect(agreement.passes, "\(target), \(parts) parts: \(agreement)")
      }
    }
  }

  /// 12 short rows of a panel in the first chunk lie in the bytes of 4 long rows of another in the last.
  @Test func panelsOfTwoChunksMayLieInTheSameBytes() throws {
    let graph = try GraphParser.graphs(
      in: """
        kernel two_strides(x: f32[rows, 8], w: f32[8, 8], v: f32[8, 40]) {
          h = relu(matmul(x, w))
          y = relu(matmul(h, v))
        } -> y
        """)[0]
    let inputs = try RandomInputs.tensors(for: graph, rows: 16, seed: 8)
    let reference = try ReferenceOutputs(
      of: graph, rows: 16, inputs: inputs, columns: .all(of: graph))
    var compiler = Compiler(target: .avx2)
    compiler.schedule.matmul = MatmulSchedule(chunkRows: 12)
    let lowering = try compiler.lower(graph)
    #expect(lowering.program.panels.map(\.stride) == [16, 16, 16, 48])
    let outputs = try LoopInterpreter.outputs(of: lowering.module, rows: 16, inputs: inputs)
    let agreement = reference.judgement(of: try #require(outputs["y"]), output: 0).exact
    #expect(agreement.passes, "\(agreement)")
  }

  @Test(arguments: RowSumTests.subjects)
  func loopsOfSumsOverRowsHaveTheExactBits(subject: RowSumTests.Subject) throws {
    for types in Specimen.Types.all.prefix(2) {
      try check(
        try subject.graph(21, types), rows: [0, 1, 7, 257], seed: 4, targets: [.portable, .avx512])
    }
  }

  // MARK: Mistakes

  /// A wrong lowering is a fault of the loops, or gives them other bits.
  @Test(arguments: MutantTests.Mistaken.all.map(\.name))
  func wrongLoopsAreSeenWithoutACompiler(mistake: String) throws {
    let mistaken = try #require(MutantTests.Mistaken.all.first { $0.name == mistake })
    var seen = 0
    for name in MutantTests.Mistaken.specimens {
      let specimen = try #require(Specimen.named(name))
      for extent in [301, 77] {
        let graph = try specimen.kernel(extent, Specimen.Types.all[0], epsilon: 0.8765).graph()
        let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 5)
        let reference = try ReferenceOutputs(of: graph, rows: 3, inputs: inputs)
        var trace = CompilerTrace()
        trace.verifies = false
        var compiler = Compiler(target: .avx2, trace: trace)
        compiler.strategies = [mistaken]
        let module = try compiler.lower(graph).module
        do {
          let outputs = try LoopInterpreter.outputs(of: module, rows: 3, inputs: inputs)
          let isRight = graph.outputs.indices.allSatisfy { index in
            outputs[graph.outputs[index].name].map {
              reference.judgement(of: $0, output: index).exact.passes
            } == true
          }
          if !isRight { seen += 1 }
        } catch is LoopInterpreter.Fault { seen += 1 }
      }
    }
    #expect(seen >= 2, "seen \(seen) times")
  }

  /// What the loops may not touch is named.
  @Test func accessesOutsideTheMemoryAreFaults() throws {
    let graph = try Kernel(
      "twice", Tensor.input("x", [.rows, 20], .f32) * 2
    ).graph()
    let inputs = try RandomInputs.tensors(for: graph, rows: 2, seed: 1)
    let right = try #require(try Compiler(target: .avx2).lower(graph).program.rowPrograms.first)
    func fault(_ change: (Stmt) -> Stmt) -> String? {
      let wrong = RowProgram(
        name: right.name, buffers: right.buffers, lanes: right.lanes, row: right.row.map(change),
        tile: right.tile, summary: [])
      do {
        _ = try LoopInterpreter.outputs(
          of: FunctionLowering.module(
            of: LoopProgram(wrong), target: .avx2, schedules: []), rows: 2, inputs: inputs)
        return nil
      } catch { return "\(error)" }
    }
    #expect(fault { $0 } == nil)
    // The last vector whole: behind the row lies what belongs to nobody.
    let whole = fault { statement in
      if case .section(let text, let body) = statement {
        return .section(text, body.map(Self.withoutLanes))
      }
      return Self.withoutLanes(statement)
    }
    #expect(whole?.contains("beyond columns 0..<20") == true, "\(whole ?? "no fault")")
    // Row after row to the same place: the others stay as they were.
    let one = fault { statement in
      if case .pointer(let pointer, "y", _) = statement {
        return .pointer(pointer, buffer: "y", offset: .constant(0))
      }
      return statement
    }
    #expect(one?.contains("never writes row 1, element 0") == true, "\(one ?? "no fault")")
  }

  private static func withoutLanes(_ statement: Stmt) -> Stmt {
    if case .store(let pointer, let index, let value, .first) = statement {
      return .store(pointer, at: index, value, .all)
    }
    return statement
  }

  /// Wrong C leaves the loops right: fuzz says which of both it is.
  @Test func fuzzTellsLoopsFromC() throws {
    var judge = try FuzzJudge(
      targets: [HostCPU.current.bestTarget], compiler: try Compiler(), threads: 2)
    func kinds(_ judge: FuzzJudge) -> Set<FuzzFailure.Kind> {
      Set(
        (UInt64(1)...40).compactMap { seed in
          if case .failed(let failure) = judge.verdict(seed: seed) { failure.kind } else { nil }
        })
    }
    judge.edited = { text, _ in text.replacing("row < rows", with: "row < rows - 1") }
    let ofC = kinds(judge)
    #expect(!ofC.isEmpty && ofC.isSubset(of: [.bound, .bits, .threads]), "\(ofC)")
    var compiler = try Compiler()
    compiler.strategies = [try #require(MutantTests.Mistaken.all.first)]
    compiler.trace.verifies = false
    let wrong = try FuzzJudge(
      targets: [HostCPU.current.bestTarget], compiler: compiler, threads: 2)
    #expect(kinds(wrong).contains(.loops))
  }
}
