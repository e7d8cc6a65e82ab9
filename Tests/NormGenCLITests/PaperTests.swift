import Foundation
import NormGen
import NormGenFiles
import NormGenMeasure
@testable import NormGenPaper
@testable import NormGenPaperCommand
import Testing

/// `normgen paper`: each part in its quick form, the forms of its output, and verdicts that fail.
@Suite struct PaperTests {
  private static let names = PaperParts.all.map(\.name)

  /// The cells of a table's lines, from the line after its title on.
  private static func table(_ title: String, in text: String) -> [[String]] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(where: { $0.hasPrefix("**\(title)") }) else { return [] }
    return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      line.dropFirst(2).dropLast(2).components(separatedBy: " | ")
    }
  }

  @Test(arguments: PaperTests.names)
  func everyPartHoldsAndHasWholeTables(_ name: String) throws {
    let result = try CommandLineFixture.normgen(["paper", name, "--quick"])
    #expect(result.status == 0, "\(result.errors)\n\(result.output)")
    #expect(result.errors.isEmpty)
    #expect(result.output.hasPrefix("# The paper, on generated kernels\n"))
    #expect(result.output.contains("normgen paper \(name) --quick\n"))
    #expect(!result.output.contains("**does not hold**"))
    #expect(!result.output.contains("nan"))
    var columns: Int?
    for line in result.output.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        columns = nil
        continue
      }
      let count = line.components(separatedBy: " | ").count
      #expect(columns == nil || columns == count, "\(line)")
      columns = count
    }
  }

  @Test func tableOneHasThePapersAnswers() {
    let result = InProcessResult.of(["paper", "table1", "--quick"])
    let cells = PaperTests.table("Measured", in: result.output)
    let answers = cells.dropFirst(2).map { row in
      [row[0]] + row.dropFirst().map { String($0.prefix { $0 != ";" }) }
    }
    #expect(
      answers == [
        ["BatchNorm", "yes", "no", "yes", "yes", "yes", "no"],
        ["WeightNorm", "yes", "no", "yes", "no", "no", "no"],
        ["LayerNorm", "yes", "yes", "no", "yes", "no", "yes"],
        ["RMSNorm", "yes", "no", "no", "yes", "no", "yes"],
        ["pRMSNorm", "yes", "no", "no", "yes", "no", "yes"],
      ])
  }

  @Test func theFormsOfTablesStay() throws {
    let result = InProcessResult.of(["paper", "--quick"])
    let expected: KeyValuePairs<String, String> = [
      "Measured": "norm|T1 W matrix rescale|T2 W matrix recentre|T3 W vector rescale"
        + "|T4 dataset rescale|T5 dataset recentre|T6 single case rescale",
      "Cells that say yes": "norm|change|δ|largest difference|largest bound|difference/bound",
      "δ = −2": "norm|change|scaled outputs|flipped|other outputs|unchanged",
      "Gradients (the equation": "norm|change|∂b|∂g|∂W|∂x or ∂a",
      "δ = 237/64, beside": "norm|change|gradient|largest difference|largest bound|worst ratio",
      "∂W is orthogonal": "norm|⟨∂W, W⟩ by ‖∂W‖‖W‖|bound",
      "Central differences": "norm|gradient|elements|known to 2⁻¹⁰|worst difference/bound",
      "Milliseconds of a step": "workload|type|pass|form|none|LayerNorm|RMSNorm|pRMSNorm",
      "Time saved against LayerNorm": "workload|type|pass|form|RMSNorm|pRMSNorm|paper's RMSNorm"
        + "|paper's pRMSNorm",
      "What norms add": "workload|type|pass|LayerNorm|RMSNorm|pRMSNorm|pRMSNorm / RMSNorm"
        + "|RMSNorm again|unfused / fused",
      "Against the oracle": "workload|type|pass|kernels|elements|beyond the bound"
        + "|without a bound|largest error / bound|unfused bits",
      "pRMSNorm's time": "shape|type|RMSNorm µs|RMSNorm again|6.25 %|12.5 %|25 %|37.5 %|50 %"
        + "|75 %|100 %",
      "Time by LayerNorm's": "shape|type|LayerNorm µs|RMSNorm|6.25 %|12.5 %|25 %|37.5 %|50 %"
        + "|75 %|100 %",
      "Error of the partial": "p|normal rows n = 512: mean|first order|worst",
      "⌈n·p⌉ of the paper": "n|p|⌈n·p⌉|error|⌊n·p⌋|error",
      "Weights around 0.2": "variant|step 1|step 2|step 5|step 10|step 25|step 50|largest RMS"
        + "|saturated, last step|deviation among units, last step",
    ]
    for (title, header) in expected {
      let found = PaperTests.table(title, in: result.output).first?.joined(separator: "|")
      #expect(found == header, "\(title)")
    }
    let counts = PaperTests.table("⌈n·p⌉ of the paper", in: result.output).dropFirst(2).map {
      [$0[0], $0[2], $0[4]]
    }
    #expect(counts.prefix(3) == [["36", "5", "4"], ["300", "19", "18"], ["240", "15", "15"]])
  }

  @Test func documentAndDrawingsAreWritten() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(
      ["paper", "all", "--quick", "--output", "docs"], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      directory.files == [
        "docs/paper.md", "docs/paper/stability.svg", "docs/paper/sweep.svg",
        "docs/paper/train.svg",
      ])
    let text = try directory.text(of: "docs/paper.md")
    #expect(text.contains("\nnormgen paper all --quick --output docs\n"))
    for file in ["paper/stability.svg", "paper/sweep.svg", "paper/train.svg"] {
      #expect(text.contains("](\(file))"))
      let plot = try ParsedSVG(try directory.text(of: "docs/\(file)"))
      #expect(plot.root == "svg")
      #expect(plot.classes.contains("series"))
      let size = try #require(plot.size)
      for number in plot.positions.x { #expect((0...size.width).contains(number)) }
      for number in plot.positions.y { #expect((0...size.height).contains(number)) }
    }
    let verdicts = PaperParts.all.map(\.name)
    for part in verdicts { #expect(result.output.contains("\n\(part)  ")) }
  }

  @Test func jsonHoldsTheReports() throws {
    let result = InProcessResult.of(["paper", "table1", "--quick", "--json"])
    #expect(result.status == 0, "\(result.errors)")
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    #expect(reports.map { $0["part"] as? String } == ["table1"])
    let verdicts = try #require(reports[0]["verdicts"] as? [[String: Any]])
    #expect(verdicts.allSatisfy { $0["holds"] as? Bool == true })
    #expect(verdicts.map { $0["measured"] as? String }.first == "14 of 14 cells")
  }

  @Test func realRowsAreMeasuredAndOthersRefused() throws {
    let directory = try TestDirectory()
    var random = SeededGenerator(seed: 3)
    let rows = try HostTensor((0..<640).map { _ in Float(random.normal()) }, shape: [10, 64])
    try TensorFile.write([(TensorReference(directory.path("rows.npy")), rows)])
    let arguments = ["paper", "sweep", "--quick", "--data"]
    let result = InProcessResult.of(arguments + [directory.path("rows.npy")])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("real rows n = 64: mean"))
    let flat = try HostTensor([1, 2, 3] as [Float], shape: [3])
    try TensorFile.write([(TensorReference(directory.path("flat.npy")), flat)])
    let refused = InProcessResult.of(arguments + [directory.path("flat.npy")])
    #expect(refused.status != 0)
    #expect(refused.errors.contains("--data: expected rows of one axis, found shape [3]"))
    let missing = InProcessResult.of(arguments + [directory.path("none.npy")])
    #expect(missing.status == 1)
  }

  @Test(
    arguments: [
      (["table2"], "found 'table2'"), (["all", "sweep"], "name it alone"),
      (["--json", "--output", "x"], "choose one of --json and --output"),
    ])
  func argumentsThatMeanNothingAreErrors(_ arguments: [String], _ message: String) {
    let result = InProcessResult.of(["paper"] + arguments)
    #expect(result.status == 64)
    #expect(result.errors.contains(message), "\(result.errors)")
  }

  // MARK: Verdicts that fail

  private func quickRun() -> PaperRun {
    PaperRun(compiler: Compiler(target: HostCPU.current.bestTarget), isQuick: true, seed: 1)
  }

  @Test func aCellThatIsNotInvariantFailsWhereItIsExpected() throws {
    let part = InvarianceTable { norm, change in
      norm.invariances.contains(change) || norm == .rmsNorm && change == .scaledUnit
    }
    let report = try part.report(quickRun())
    #expect(!report.holds)
    #expect(report.verdicts.map(\.holds) == [false, false, true, false])
    for verdict in report.verdicts where !verdict.holds {
      #expect(verdict.measured.hasSuffix("; not RMSNorm T3 W vector rescale"))
    }
  }

  @Test func aShiftThatIsSeenFailsWhereItIsExpected() throws {
    let part = InvarianceTable { norm, change in
      norm.invariances.contains(change) || norm == .partialRMSNorm && change == .shiftedWeights
    }
    let report = try part.report(quickRun())
    #expect(report.verdicts.map(\.holds) == [true, false, true, true])
  }

  @Test func anInvariantCellFailsWhereADifferenceIsExpected() throws {
    let part = InvarianceTable { norm, change in
      norm.invariances.contains(change) && !(norm == .layerNorm && change == .shiftedWeights)
    }
    let report = try part.report(quickRun())
    #expect(report.verdicts.map(\.holds) == [true, true, false, true])
    #expect(report.verdicts[2].measured == "14 of 15 cells; not LayerNorm T2 W matrix recentre")
  }

  @Test func gradientsFailWhereAnotherPowerIsExpected() throws {
    // ∂W under W → δW is divided by δ, and ∂g sees nothing.
    let unmoved = try GradientsPart(expecting: { change, gradient in
      change == .scaledWeights ? 0 : change.power(of: gradient)
    }).report(quickRun())
    #expect(unmoved.verdicts.map(\.holds) == [false, false, false, true, true])
    #expect(
      unmoved.verdicts[0].measured == "30 of 33 gradients; not LayerNorm W → δW d_w, "
        + "RMSNorm W → δW d_w, pRMSNorm W → δW d_w")
    let moved = try GradientsPart(expecting: { change, gradient in
      gradient == "d_gain" ? -1 : change.power(of: gradient)
    }).report(quickRun())
    #expect(moved.verdicts.map(\.holds) == [false, false, true, true, true])
  }

  @Test func aLayerWithoutNormIsNotOrthogonal() throws {
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let size = GradientLayer.Size(inputs: 24, units: 48, samples: 5)
    let bare = try WeightAlignment(
      GradientLayer(.none, of: .product, size, compiler), seed: 1)
    let renamed = WeightAlignment(norm: .rmsNorm, cosine: bare.cosine, bound: bare.bound)
    #expect(GradientsPart.verdicts([bare]).map(\.holds) == [true])
    #expect(GradientsPart.verdicts([renamed]).map(\.holds) == [false])
  }

  @Test func theGradientOfAnotherNormFailsBesideCentralDifferences() throws {
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let size = GradientLayer.Size(inputs: 6, units: 32, samples: 3)
    let whole = try GradientLayer(.rmsNorm, of: .product, size, compiler)
    let partial = try GradientLayer(.partialRMSNorm, of: .product, size, compiler)
    let differences = try GradientsPart.differences(
      .rmsNorm, whole.forward, partial.backward, seed: 1)
    let verdicts = GradientsPart.verdicts([differences])
    #expect(verdicts.map(\.holds) == [false])
    #expect(verdicts[0].measured == "not RMSNorm d_x, RMSNorm d_w, RMSNorm d_gain")
  }

  @Test func rolloutsAreJudgedByTheirOwnNumbers() throws {
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let size = RolloutSize(inputs: 32, units: 64, samples: 3, steps: 20)
    func rollout(_ norm: RecurrentNorm, center: Double) throws -> Rollout {
      try Rollout(norm, size: size, center: center, seed: 1, compiler)
    }
    let calm = try rollout(.none, center: 0)
    let wild = try rollout(.none, center: 0.2)
    let verdicts = RecurrentStability.verdicts([calm, wild])
    #expect(verdicts.map(\.holds) == [false, true])
    // The same wild steps under a norm's name are not stable.
    let renamed = Rollout(norm: .layerNorm, steps: wild.steps)
    #expect(RecurrentStability.verdicts([renamed]).map(\.holds) == [false])
  }

  @Test func workloadsBeyondTheirBoundsFail() {
    func check(failures: Int = 0, unbounded: Int = 0, agrees: Bool = true) -> WorkloadCheck {
      WorkloadCheck(
        workload: "w", storage: .f32, pass: .forward, kernels: 1, elements: 9, failures: failures,
        unbounded: unbounded, worstRatio: 0.5, unfusedAgrees: agrees)
    }
    func holds(_ checks: [WorkloadCheck]) -> [Bool] { WorkloadsPart.verdicts(checks).map(\.holds) }
    #expect(holds([check()]) == [true])
    #expect(holds([check(), check(failures: 1)]) == [false])
    #expect(holds([check(unbounded: 9)]) == [false])
    #expect(holds([check(agrees: false)]) == [false])
    #expect(holds([]) == [false])
    #expect(WorkloadsPart.verdicts([check()]).allSatisfy { !$0.isTiming })
  }

  @Test func slowerMeansBeyondTheNoise() {
    let noise = Spread([0.97, 1, 1.03])
    #expect(WindowTiming.isSlower(Spread([1.1, 1.2, 1.3]), noise: noise))
    #expect(!WindowTiming.isSlower(Spread([0.9, 1, 1.3]), noise: noise))
    #expect(!WindowTiming.isSlower(Spread([0.98, 0.985, 0.99]), noise: Spread([0.9, 0.9, 0.9])))
  }

  @Test func timingsDoNotDecideTheExitStatus() {
    func report(isTiming: Bool) -> PaperReport {
      PaperReport(
        part: "p", title: "t", prose: [], tables: [],
        verdicts: [
          PaperReport.Verdict("c", holds: false, measured: "m", isTiming: isTiming),
          PaperReport.Verdict("d", holds: true, measured: "m"),
        ])
    }
    #expect(report(isTiming: true).holds)
    #expect(!report(isTiming: false).holds)
    let document = PaperDocument(
      command: "normgen paper", target: "avx2", reports: [report(isTiming: false)])
    #expect(document.markdown.contains("| c | **does not hold** | m |"))
  }
}
