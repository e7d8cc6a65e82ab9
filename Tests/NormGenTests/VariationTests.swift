import NormGen
import NormGenCheck
import Testing

/// Batches, strides, addresses and schedules change no bit, and a kernel whose bits they change is
/// caught.
@Suite struct VariationTests {
  private static let rows = [1, 5]

  private static func graph(_ text: String) throws -> Graph {
    try #require(try GraphParser.graphs(in: text, file: "variations.ng").first)
  }

  private static let norm = """
    kernel norm(x: f32[rows, 37], gain: f32[37]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-6)
    } -> y
    """

  private static let texts = [
    norm,
    """
    kernel linear_norm(x: bf16[rows, 20], w: bf16[20, 33], gain: f32[33]) {
      h = matmul(x, w)
      y = rms_norm(h, gain: gain, epsilon: 1e-6)
    } -> h: bf16, y: f16
    """,
  ]

  /// The check of a kernel whose plain calls ran the same C, edited or not.
  private static func check(
    _ graph: Graph, _ target: Target, edited: (@Sendable (Lowering) -> String?)? = nil
  ) throws -> VariationCheck {
    let compiler = Compiler(target: target)
    let lowering = try compiler.lower(graph)
    let calls = try rows.map { rows in
      TargetComparison.Call(
        rows: rows, inputs: try RandomInputs.tensors(for: graph, rows: rows, seed: 3))
    }
    let plain = edited?(lowering).map { lowering.replacingSource(with: $0) } ?? lowering
    let expected = try TargetMachine.outputs(
      of: calls.map { KernelCall(plain, rows: $0.rows, inputs: $0.inputs) }, on: target,
      compiler: compiler)
    return try VariationCheck(
      lowering, calls: calls, expected: expected, compiler: compiler, edited: edited)
  }

  @Test(arguments: texts, Targets.usable)
  func noVariationChangesABit(text: String, target: Target) throws {
    var check = try Self.check(try Self.graph(text), target)
    for variation in Variation.allCases { try check.run(variation) }
    #expect(check.passes, "\(check.differences) \(check.results.flatMap(\.violations))")
    #expect(check.results.allSatisfy { $0.executions > 3 && $0.omission == nil })
  }

  /// All schedules of a small space and some of a larger one, each C once.
  @Test(arguments: texts)
  func aWalkThroughASpaceChangesNoBit(text: String) throws {
    let graph = try Self.graph(text)
    var compiler = Compiler(target: HostCPU.current.bestTarget)
    let chosen = try compiler.lower(graph)
    let space = ScheduleSpace(of: chosen.plan, strategy: RowStreaming(), target: chosen.target)
    var random = SeededGenerator(seed: 11)
    let schedules =
      space.count <= 200
      ? (0..<space.count).map { space[$0] } : (0..<30).map { _ in space.drawn(using: &random) }
    let inputs = try RandomInputs.tensors(for: graph, rows: 29, seed: 3)
    let expected = try TargetMachine.outputs(
      of: [KernelCall(chosen, rows: 29, inputs: inputs)], on: chosen.target, compiler: compiler)
    var texts: Set<String> = []
    for schedule in schedules {
      compiler.schedule = schedule
      let lowering = try compiler.lower(graph)
      guard texts.insert(lowering.source.source).inserted else { continue }
      let found = try TargetMachine.outputs(
        of: [KernelCall(lowering, rows: 29, inputs: inputs)], on: chosen.target, compiler: compiler)
      let differences = try TargetComparison.Difference.all(
        of: graph, rows: 29, executions: ["chosen", "\(schedule)"], expected[0], found[0])
      #expect(differences.isEmpty, "\(differences)")
    }
    #expect(texts.count > 8, "\(texts.count) of \(space.count)")
  }

  /// An epsilon that depends on what must not matter.
  struct Defect: CustomTestStringConvertible, Sendable {
    let variation: Variation
    let epsilon: String
    /// The schedules that have it; nil for all.
    var rowTile: Int?
    /// What is told in place of other bits.
    var violation: String?

    var testDescription: String { "\(variation): \(epsilon)" }
  }

  static let defects = [
    Defect(variation: .batch, epsilon: "(rows > 1 && rows < 5 ? 2e-06f : 1e-06f)"),
    Defect(variation: .batch, epsilon: "(x[0] < x[36] ? 1e-06f : 2e-06f)"),
    Defect(variation: .strides, epsilon: "(x_stride == 37 ? 1e-06f : 2e-06f)"),
    Defect(
      variation: .strides, epsilon: "(y_stride > 37 ? (y[37] = 0.0f, 1e-06f) : 1e-06f)",
      violation: "rows 5: the gap behind row 0 of 'y' was written"),
    Defect(
      variation: .strides, epsilon: "(x_stride > 37 ? (((float *)x)[37] = 0.0f, 1e-06f) : 1e-06f)",
      violation: "the input 'x' was written"),
    Defect(variation: .alignments, epsilon: "((uintptr_t)x % 64 == 0 ? 1e-06f : 2e-06f)"),
    Defect(
      variation: .alignments,
      epsilon: "((uintptr_t)y % 64 != 0 ? (y[-1] = 0.0f, 1e-06f) : 1e-06f)",
      violation: "memory outside the buffers was written: "),
    Defect(variation: .schedules, epsilon: "2e-06f", rowTile: 2),
  ]

  @Test(arguments: defects, Targets.usable)
  func aPlantedDefectIsCaught(defect: Defect, target: Target) throws {
    let edited: @Sendable (Lowering) -> String? = { lowering in
      if let tile = defect.rowTile, lowering.schedules[0].rowTile != tile { return nil }
      return lowering.source.source.replacing("1e-06f", with: defect.epsilon)
    }
    var check = try Self.check(try Self.graph(Self.norm), target, edited: edited)
    try check.run(defect.variation)
    #expect(!check.passes, "'\(defect.epsilon)' survives on \(target)")
    if let violation = defect.violation {
      #expect(check.results[0].violations.contains { $0.contains(violation) })
    } else {
      #expect(!check.differences.isEmpty && check.results[0].violations.isEmpty)
      #expect(check.differences[0].executions[0] == "\(target)")
    }
  }

  @Test func whatCannotBeVariedIsNamed() throws {
    let sums = try Self.graph(
      """
      kernel totals(x: f32[rows, 8]) {
        y = sum_rows(x, keep: 1)
      } -> y
      """)
    var check = try Self.check(sums, HostCPU.current.bestTarget)
    for variation in Variation.allCases { try check.run(variation) }
    #expect(check.passes, "\(check.differences)")
    #expect(check.results[0].omission == .sumsOverRows)
    #expect(check.results[1].executions == 6 && check.results[2].executions == 6)
  }
}
