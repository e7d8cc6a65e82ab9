import NormGen
import NormGenTestSupport
import Testing

/// Emitted C under the address and undefined behaviour sanitizers, for every kind of kernel.
@Suite struct SanitizerTests {
  /// A kernel for small extents that no vector divides.
  struct Subject: Sendable, CustomTestStringConvertible {
    let name: String
    var schedule: MatmulSchedule?
    let graph: @Sendable () throws -> Graph

    var testDescription: String { name }

    static func specimen(_ name: String, _ types: Specimen.Types) -> Subject {
      Subject(name: name) {
        try #require(Specimen.named(name)).kernel(37, types, epsilon: 1e-5).graph()
      }
    }

    static func rowSum(_ name: String, _ types: Specimen.Types) -> Subject {
      Subject(name: name) {
        try #require(RowSumTests.subjects.first { $0.name == name }).graph(37, types)
      }
    }

    static func mlp(_ name: String, packs: Bool) -> Subject {
      let schedule = MatmulSchedule(chunkRows: 6, packsWeights: packs)
      return Subject(name: name, schedule: schedule) {
        let types = Specimen.Types(input: .bf16, gain: .bf16)
        return try #require(MatmulSpecimen.named("mlp")).graph(
          MatmulSpecimen.Shape(terms: 45, columns: 33, types: types))
      }
    }

    static let all: [Subject] = [
      .specimen("rms_llama", Specimen.Types.all[1]),
      .specimen("partial_layer", Specimen.Types.all[0]),
      .specimen("residual_rounded", Specimen.Types.all[2]),
      .specimen("quantized_heads", Specimen.Types.all[1]),
      .specimen("stored_as_integers", Specimen.Types.all[5]),
      .mlp("products, packed", packs: true), .mlp("products, plain", packs: false),
      .rowSum("rms_gradient", Specimen.Types.all[1]), .rowSum("outer", Specimen.Types.all[5]),
      .rowSum("linear_gradient", Specimen.Types.all[0]),
    ]
  }

  static let gcc = CCompiler.all.first { $0.command == "gcc" }

  @Test(
    .enabled(if: gcc?.architecture == HostCPU.current.architecture),
    arguments: Subject.all, [Target.portable, .avx2])
  func sanitizersFindNothing(subject: Subject, target: Target) throws {
    guard HostCPU.current.supports(target) else { return }
    let gcc = try #require(Self.gcc)
    var compiler = Compiler(target: target)
    compiler.schedule.matmul = subject.schedule
    let lowering = try compiler.lower(subject.graph())
    // Two blocks of a sum over rows, the second one short.
    let graph = lowering.graph
    let rows = graph.outputs.allSatisfy { graph[$0.value].shape.hasRows } ? 11 : 261
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 6)
    let expected = try compiler.compile(lowering)(inputs)
    let program = SanitizedProgram(lowering: lowering, rows: rows)
    for outputs in try program.outputs(inputs, parts: [1, 3], gcc) {
      let difference = firstDifference(expected, outputs)
      #expect(difference == nil, "\(subject.name): \(difference ?? "")")
    }
  }

  /// A step past the last row, and a shift by more bits than a number has.
  static let defects = [
    ("AddressSanitizer", "x + row * x_stride", "x + 1 + row * x_stride"),
    ("shift exponent", "int64_t row = 0;", "int64_t row = (int64_t)1 << (64 + rows) & 0;"),
  ]

  @Test(
    .enabled(if: gcc?.architecture == HostCPU.current.architecture), arguments: defects)
  func defectsAreFound(message: String, from: String, to: String) throws {
    let gcc = try #require(Self.gcc)
    let x = Tensor.input("x", [.rows, 37], .f32)
    let lowering = try Compiler(target: .portable).lower(Kernel("defect", x.rmsNorm()))
    let source = lowering.source.source.replacing(from, with: to)
    #expect(source != lowering.source.source)
    let inputs = try RandomInputs.tensors(for: lowering.graph, rows: 3, seed: 6)
    let failure = #expect(throws: Command.Failure.self) {
      try SanitizedProgram(lowering: lowering, rows: 3, source: source)
        .outputs(inputs, parts: [1], gcc)
    }
    #expect(failure?.description.contains(message) == true, "\(failure?.description ?? "")")
  }
}
