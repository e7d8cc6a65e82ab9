import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Random kernels keep the contract, and a planted defect is found and made small.
@Suite struct FuzzTests {
  private static func judge(_ targets: [Target] = Targets.native) throws -> FuzzJudge {
    try FuzzJudge(targets: targets, compiler: Compiler(target: HostCPU.current.bestTarget))
  }

  /// A thousand take minutes on two processors: `normgen fuzz` judges as many as there is time for.
  @Test func randomKernelsKeepTheContract() throws {
    var run = FuzzRun(try Self.judge(), from: FuzzTotals(seed: 7000))
    let failures = run.judgeNext(Targets.sweeps ? 5000 : 100)
    for (seed, failure) in failures { Issue.record("seed \(seed): \(failure)") }
    #expect(run.totals.passed > run.totals.graphs / 2)
    let figures = run.totals.figures
    #expect(figures.elements > 1000 * run.totals.passed)
    // A bound that nothing comes near would see no mistake.
    #expect(try #require(figures.medianRatio) > 0.01)
    #expect(figures.worstRatio > 0.5 && figures.worstRatio <= 1)
  }

  @Test func aSeedMakesTheSameKernel() throws {
    var texts: Set<String> = []
    for seed in 0..<200 as Range<UInt64> {
      let first = try FuzzCase(seed: seed)
      #expect(try FuzzCase(seed: seed) == first)
      texts.insert("\(first.graph)")
    }
    #expect(texts.count == 200)
  }

  /// Every operation, storage type and schedule comes up.
  @Test func kernelsHaveEveryOperation() throws {
    var found: Set<String> = []
    for seed in 0..<400 as Range<UInt64> {
      let fuzzCase = try FuzzCase(seed: seed)
      for node in fuzzCase.graph.nodes { found.insert(Self.name(of: node.op)) }
      for output in fuzzCase.graph.outputs { found.insert("store \(output.storage)") }
      for schedule in fuzzCase.schedules.compactMap({ $0 }) {
        found.insert("\(schedule.matmul.packsWeights ? "packed" : "plain") weights")
        if schedule.matmul.blockRows != nil { found.insert("block rows") }
      }
      if fuzzCase.graph.outputs.count > 2 { found.insert("several outputs") }
      if fuzzCase.rows.contains(0) { found.insert("no rows") }
      if fuzzCase.rows.contains(257) { found.insert("two blocks of rows") }
    }
    var expected: Set<String> = [
      "block rows", "bf16_dot", "columns", "concatenate", "convert", "in_out", "leading part",
      "mean_rows",
      "no rows", "outer sum", "out_in", "packed weights", "plain weights", "reshape",
      "several outputs", "sum_rows", "two blocks of rows",
    ]
    expected.formUnion(DType.allCases.flatMap { ["load \($0)", "store \($0)"] })
    expected.formUnion(ElementwiseOp.allCases.map(\.rawValue))
    expected.formUnion(Reduction.allCases.map { "row \($0)" })
    #expect(expected.subtracting(found).sorted() == [])
  }

  private static func name(of op: Op) -> String {
    switch op {
    case .input(_, let storage): "load \(storage)"
    case .constant: "constant"
    case .elementwise(let op): op.rawValue
    case .statistic(let statistic): "row \(statistic.reduction)"
    case .convert: "convert"
    case .reshape: "reshape"
    case .columns: "columns"
    case .concatenate: "concatenate"
    case .leadingPart: "leading part"
    case .matmul(let matmul):
      matmul.accumulation == .bf16Dot ? "bf16_dot" : matmul.layout.rawValue
    case .rowSum(let sum): sum.functionName
    case .outerSum: "outer sum"
    }
  }

  /// A mistake in C that a search must find.
  struct Defect: CustomTestStringConvertible, Sendable {
    let name: String
    let kind: FuzzFailure.Kind
    /// The targets that have it.
    let targets: [Target]
    let right: String
    let wrong: String
    /// What a smallest kernel prints.
    let shows: String

    var testDescription: String { name }
  }

  static let defects = [
    Defect(
      name: "a coefficient of tanh", kind: .bound, targets: Target.all,
      right: "broadcast(-0x1.555554p-2f)", wrong: "broadcast(-0x1.54p-2f)", shows: "tanh("),
    Defect(
      name: "a coefficient of tanh on one target", kind: .targets,
      targets: [HostCPU.current.bestTarget],
      right: "broadcast(-0x1.555554p-2f)", wrong: "broadcast(-0x1.54p-2f)", shows: "tanh("),
    Defect(
      name: "a function that does not exist", kind: .compilation, targets: Target.all,
      right: "static inline vec vec_tanh(", wrong: "static inline vec vec_tanh_(", shows: "tanh("),
  ]

  @Test(arguments: defects)
  func aPlantedDefectIsFoundAndMadeSmall(defect: Defect) throws {
    var judge = try Self.judge([.portable, HostCPU.current.bestTarget])
    judge.edited = { lowering in
      guard defect.targets.contains(lowering.target) else { return nil }
      return lowering.source.source.replacing(defect.right, with: defect.wrong)
    }
    var run = FuzzRun(judge, from: FuzzTotals(seed: 300))
    var failures: [(seed: UInt64, failure: FuzzFailure)] = []
    while failures.isEmpty, run.totals.graphs < 200 { failures += run.judgeNext(8) }
    let first = try #require(failures.first)
    #expect(first.failure.kind == defect.kind)
    #expect(run.totals.failed == failures.map(\.seed))
    let finding = FuzzFinding(seed: first.seed, first.failure, judge: judge)
    let smallest = try #require(finding.smallest)
    #expect(finding.smallestFailure.kind == defect.kind)
    let text = "\(smallest.graph)"
    #expect(text.contains(defect.shows))
    // An input, what is wrong, and at most one more step.
    #expect(smallest.graph.nodes.count <= 3, "\(text)")
    #expect(smallest.graph.outputs.count == 1)
    #expect(smallest.rows.count == 1 && smallest.rows[0] <= 2)
    #expect(smallest.graph.nodes.allSatisfy { $0.shape.elementsPerRow <= 8 }, "\(text)")
    // The seed alone shows it again.
    guard case .failed(let again) = judge.verdict(seed: first.seed) else {
      Issue.record("seed \(first.seed) does not fail again")
      return
    }
    #expect(again == first.failure)
  }

  @Test func aRunGoesOnWhereItEnded() throws {
    let judge = try Self.judge([HostCPU.current.bestTarget])
    var whole = FuzzRun(judge, from: FuzzTotals(seed: 40))
    _ = whole.judgeNext(12)
    var first = FuzzRun(judge, from: FuzzTotals(seed: 40))
    _ = first.judgeNext(5)
    var second = FuzzRun(judge, from: first.totals)
    _ = second.judgeNext(7)
    #expect(second.totals == whole.totals)
  }

  @Test func refusalsAreCountedByReason() throws {
    // A product needs rows of one axis: documented, and no failure.
    let graphs = try GraphParser.graphs(
      in: """
        kernel refused(x: f32[rows, 2, 8], w: f32[8, 4]) {
          y = matmul(x, w)
        } -> y
        """)
    var fuzzCase = try FuzzCase(seed: 1)
    fuzzCase.graph = graphs[0]
    guard case .refused(let reason) = try Self.judge().verdict(fuzzCase) else {
      Issue.record("a kernel that the planner refuses is not counted as refused")
      return
    }
    #expect(reason == "a matmul of rows of shape […]; give it one axis after rows by reshaping")
  }
}
