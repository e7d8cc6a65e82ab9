import NormGen
import NormGenFuzz
import NormGenTestSupport
import Testing

/// Random kernels keep the contract, and a planted defect is found and made small.
@Suite struct FuzzTests {
  private static func judge(_ targets: [Target] = Targets.native) throws -> FuzzJudge {
    try FuzzJudge(targets: targets, compiler: Compiler(target: HostCPU.current.bestTarget))
  }

  /// `normgen fuzz` judges as many as there is time for.
  @Test func randomKernelsKeepTheContract() throws {
    var run = FuzzRun(try Self.judge(), from: FuzzTotals(seed: 7000))
    let failures = run.judgeNext(Targets.sweeps ? 5000 : 300)
    for (seed, failure) in failures { Issue.record("seed \(seed): \(failure)") }
    // Documented limits are rare.
    #expect(run.totals.passed > run.totals.graphs * 9 / 10)
    let figures = run.totals.figures
    #expect(figures.special > 10 * run.totals.passed)
    #expect(figures.elements > 1000 * run.totals.passed)
    let median = try #require(figures.medianRatio)
    print(
      "fuzz: \(run.totals.graphs) kernels, \(figures.elements) elements, error / bound: median "
        + "\(median), worst \(figures.worstRatio)")
    // A bound that nothing comes near would see no mistake.
    #expect(median > 0.01)
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

  /// Every operation, storage type, window, schedule and kind of call comes up.
  @Test func kernelsHaveEveryOperation() throws {
    var found: Set<String> = []
    for seed in 0..<1000 as Range<UInt64> { found.formUnion(try FuzzCase(seed: seed).features) }
    var expected: Set<String> = [
      "blocks of rows", "chunk rows", "columns", "computed weights", "concatenate", "leading_part",
      "long chain",
      "long names", "many axes", "many inputs", "many outputs", "many products", "many statistics",
      "matmul bf16_dot", "matmul int8", "matmul int8 of i8",
      "matmul in_out", "matmul out_in", "mean_rows", "no rows", "outer_sum", "packed weights",
      "reshape", "row sum of a product", "several axes", "several outputs", "special rows",
      "streaming stores", "sum_rows", "sum_rows of a product", "window all", "window fraction up",
      "window leading",
    ]
    expected.formUnion(
      DType.allCases.flatMap { ["load \($0)", "store \($0)", "convert to \($0)"] })
    expected.formUnion(ElementwiseOp.allCases.map(\.rawValue))
    expected.formUnion(Reduction.allCases.map { "row \($0)" })
    expected.formUnion(Optimization.allCases.map { "optimization \($0)" })
    #expect(expected.subtracting(found).sorted() == [])
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
      name: "a coefficient of tanh", kind: .bound, targets: Target.general,
      right: "broadcast(-0x1.555554p-2f)", wrong: "broadcast(-0x1.54p-2f)", shows: "tanh("),
    Defect(
      name: "a coefficient of tanh on one target", kind: .bound,
      targets: [HostCPU.current.bestTarget],
      right: "broadcast(-0x1.555554p-2f)", wrong: "broadcast(-0x1.54p-2f)", shows: "tanh("),
    Defect(
      name: "a function that does not exist", kind: .compilation, targets: Target.general,
      right: "static inline vec vec_tanh(", wrong: "static inline vec vec_tanh_(", shows: "tanh("),
  ]

  /// A mistake that only several threads show.
  static let unsharedRows = Defect(
    name: "a row that no thread takes", kind: .threads, targets: Target.general,
    right: "begin_of_part(rows, part + 1, parts) - row;",
    wrong: "begin_of_part(rows, part + 1, parts) - row - (part + 1 < parts);", shows: "rows, ")

  @Test(arguments: defects + [unsharedRows])
  func aPlantedDefectIsFoundAndMadeSmall(defect: Defect) throws {
    var judge = try Self.judge([.portable, HostCPU.current.bestTarget])
    judge.edited = { text, target in
      defect.targets.contains(target) ? text.replacing(defect.right, with: defect.wrong) : text
    }
    let finding = try Self.expectSmallFinding(defect.kind, by: judge, showing: defect.shows)
    #expect(finding.smallest?.optimizations.allSatisfy { $0 == .full } == true)
  }

  /// A mistake that only code without optimization has: the smallest kernel keeps that.
  @Test func aDefectOfUnoptimizedCodeIsFound() throws {
    var judge = try Self.judge([.portable, HostCPU.current.bestTarget])
    judge.edited = { text, _ in
      let wrong = """
        #ifdef __OPTIMIZE__
        #define COEFFICIENT -0x1.555554p-2f
        #else
        #define COEFFICIENT -0x1.54p-2f
        #endif

        """
      return wrong + text.replacing("broadcast(-0x1.555554p-2f)", with: "broadcast(COEFFICIENT)")
    }
    let finding = try Self.expectSmallFinding(nil, by: judge, showing: "tanh(")
    #expect(finding.smallest?.optimizations.contains(.none) == true)
  }

  /// C whose sums take the terms of a sum one by one: the parentheses behind a partial are gone.
  @Sendable private static func withoutParentheses(_ text: String, _ target: Target) -> String {
    var rest = text[...]
    var result = ""
    while let place = rest.firstRange(of: /partials\[[^\]]*\] \+ \(/) {
      result += rest[..<rest.index(before: place.upperBound)]
      rest = rest[place.upperBound...]
      var depth = 1
      guard
        let end = rest.indices.first(where: { index in
          if rest[index] == "(" { depth += 1 }
          if rest[index] == ")" { depth -= 1 }
          return depth == 0
        })
      else { break }
      result += rest[..<end]
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }

  @Test(arguments: [1, 40_000, 7_777_777] as [UInt64])
  func termsAddedOneByOneAreFound(seed: UInt64) throws {
    var judge = try Self.judge([.portable])
    judge.edited = Self.withoutParentheses
    var run = FuzzRun(judge, from: FuzzTotals(seed: seed))
    var failures: [(seed: UInt64, failure: FuzzFailure)] = []
    while failures.isEmpty, run.totals.graphs < 800 { failures += run.judgeNext(32) }
    let first = try #require(failures.first, "no kernel of 800 shows it")
    #expect(first.failure.kind == .bits || first.failure.kind == .bound)
    print("terms added one by one: found in seed \(first.seed) of \(seed)")
  }

  /// C whose steps are counted modulo 32, as bits of an int are.
  @Test(arguments: [1, 40_000, 7_777_777] as [UInt64])
  func stepsBeyondAnIntsBitsAreFound(seed: UInt64) throws {
    var judge = try Self.judge([.portable])
    judge.edited = { text, _ in text.replacing("switch (step)", with: "switch (step & 31)") }
    // No other kernel has so many steps.
    var tried = 0
    for seed in seed..<seed + 5000 where tried < 20 {
      let fuzzCase = try FuzzCase(seed: seed)
      guard fuzzCase.features.contains("many products") else { continue }
      tried += 1
      if case .failed(let failure) = judge.verdict(fuzzCase) {
        #expect(failure.kind == .bits || failure.kind == .bound || failure.kind == .threads)
        print("steps modulo 32: found in seed \(seed), \(tried) kernels with many products")
        return
      }
    }
    Issue.record("none of \(tried) kernels with many products shows it")
  }

  /// A printer that loses how weights are stored: the product that is read back is another.
  @Test func aDefectOfTheTextFormIsFoundAndMadeSmall() throws {
    var judge = try Self.judge([HostCPU.current.bestTarget])
    judge.printed = { "\($0)".replacing(", layout: out_in", with: "") }
    try Self.expectSmallFinding(.text, by: judge, showing: "layout: out_in")
  }

  /// Demands a failure, of one kind unless that is nil, and that its kernel is made small.
  @discardableResult
  private static func expectSmallFinding(
    _ kind: FuzzFailure.Kind?, by judge: FuzzJudge, showing shows: String
  ) throws -> FuzzFinding {
    var run = FuzzRun(judge, from: FuzzTotals(seed: 320))
    var failures: [(seed: UInt64, failure: FuzzFailure)] = []
    while failures.isEmpty, run.totals.graphs < 200 { failures += run.judgeNext(8) }
    let first = try #require(failures.first)
    let kind = kind ?? first.failure.kind
    #expect(first.failure.kind == kind)
    #expect(run.totals.failed == failures.map(\.seed))
    let finding = FuzzFinding(seed: first.seed, first.failure, judge: judge)
    let smallest = try #require(finding.smallest)
    #expect(finding.smallestFailure.kind == kind)
    let text = "\(smallest.graph)"
    #expect(text.contains(shows))
    // One input or two, what is wrong, and at most one more step.
    #expect(smallest.graph.nodes.count <= 4, "\(text)")
    #expect(smallest.graph.outputs.count == 1)
    #expect(smallest.calls.count == 1 && smallest.calls[0].rows <= 3)
    #expect(smallest.graph.nodes.allSatisfy { $0.shape.elementsPerRow <= 8 }, "\(text)")
    // The seed alone shows it again.
    guard case .failed(let again) = judge.verdict(seed: first.seed) else {
      Issue.record("seed \(first.seed) does not fail again")
      return finding
    }
    #expect(again == first.failure)
    return finding
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
