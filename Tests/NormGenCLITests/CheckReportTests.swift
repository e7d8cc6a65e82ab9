import Foundation
import NormGen
import NormGenCheck
import NormGenFiles
@testable import NormGenCLI
import Testing

/// What `check` says beyond its verdict: statistics, the worst element, and variations.
@Suite struct CheckReportTests {
  private static var registry: Registry {
    var registry = Registry()
    registry.catalog = Catalog([.init(TestKernels.rmsNorm("own_norm", epsilon: 1e-6), "own")])
    return registry
  }

  @Test func theWorstElementAndWhatLedToItAreTold() throws {
    let arguments = ["check", "own_norm", "--rows", "3", "--seed", "5"]
    let text = InProcessResult.of(arguments, registry: Self.registry)
    #expect(text.status == 0, "\(text.errors)")
    let json = InProcessResult.of(arguments + ["--json"], registry: Self.registry)
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    let worst = try #require(reports[0]["worst"] as? [String: Any])
    let indices = try #require(worst["indices"] as? [Int])
    let steps = try #require(worst["steps"] as? [[String: Any]])
    #expect(steps.map { $0["name"] as? String } == ["x", "gain", "mean_square", "inv_rms", "y"])
    let place = try #require(text.output.range(of: "worst: "))
    let lines = text.output[place.lowerBound...].split(separator: "\n").map(String.init)
    #expect(lines[0].contains(", rows 3, y\(indices): kernel "))
    #expect(lines[1].hasPrefix("  x\(indices) = "))
    #expect(lines[2].hasPrefix("  gain[\(indices[1])] = "))
    #expect(lines[3].hasPrefix("  mean_square[\(indices[0]), 0] = mean(x * x) = "))
    #expect(lines[5].hasPrefix("  y\(indices) = x * inv_rms * gain = "))
    #expect(lines[5].contains(" % of it from "))
    // The inputs' elements are those of the seed.
    let graph = try TestKernels.rmsNorm("own_norm", epsilon: 1e-6).graph()
    let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 5)
    let x = try #require(inputs["x"])[indices[0] * 37 + indices[1]]
    #expect(steps[0]["value"] as? Double == x)
    #expect(steps[4]["value"] as? Double == worst["oracle"] as? Double)
    #expect(steps[4]["bound"] as? Double == worst["bound"] as? Double)
  }

  @Test func ulpStatisticsAreInOrder() throws {
    let json = InProcessResult.of(
      ["check", "own_norm", "--rows", "17", "--seed", "5", "--json"], registry: Self.registry)
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    let line = try #require((reports[0]["lines"] as? [[String: Any]])?.first)
    let median = try #require(line["medianUlps"] as? Double)
    let most = try #require(line["ulps99"] as? Double)
    let worst = try #require(line["ulps"] as? Double)
    #expect(0 < median && median < most && most <= worst && worst < 4)
    let nearest = try #require(line["correctlyRounded"] as? Int)
    #expect(nearest > 100 && nearest < 17 * 37)
  }

  @Test func everyVariationIsReported() throws {
    let result = InProcessResult.of(
      ["check", "own_norm", "--variations", "--rows", "1", "5", "--target", "portable", "--seed"]
        + ["1"], registry: Self.registry)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    for line in [
      "portable: the same bits in 6 calls of other batches",
      "portable: the same bits in 2, 3 threads",
      "portable: the same bits in 6 calls of other strides",
      "portable: the same bits in 6 calls of other alignments", " calls of other schedules",
    ] {
      #expect(result.output.contains(line), "\(line): \(result.output)")
    }
    let one = InProcessResult.of(
      ["check", "own_norm", "--batch", "--rows", "1", "--seed", "1"], registry: Self.registry)
    #expect(one.output.contains(": no batch compared: no call has two rows"))
  }

  @Test func allTargetsIsTheSameAsTargetAll() throws {
    let both = InProcessResult.of(
      ["check", "own_norm", "--all-targets", "--target", "avx2"], registry: Self.registry)
    #expect(both.status == 64)
    #expect(both.errors.contains("--all-targets: can't go with --target"))
    guard TargetMachine.targets.allSatisfy({ (try? TargetMachine.of($0)) != nil }) else { return }
    let result = InProcessResult.of(
      ["check", "own_norm", "--all-targets", "--strides", "--rows", "2"], registry: Self.registry)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let names = TargetMachine.targets.filter(Target.general.contains).map(\.name)
      .joined(separator: ", ")
    #expect(result.output.contains("\(names): the same bits"))
    #expect(result.output.contains("neon: the same bits in 3 calls of other strides"))
  }

  /// A strategy, not the preferred one, that computes another kernel.
  private struct OtherEpsilon: Strategy {
    let name = "other_epsilon"
    let summary = "computes something else"

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> RowProgram {
      guard let graph = try? TestKernels.rmsNorm("own_norm", epsilon: 2e-6).graph() else {
        throw PlanError(kernel: region.graph.name, message: "not the test's kernel")
      }
      return try RowStreaming().lowered(
        try FusionPlanner.region(of: graph), schedule: schedule, target: target)
    }
  }

  @Test func aScheduleWithOtherBitsFails() throws {
    var registry = Self.registry
    registry.strategies = [RowStreaming(), OtherEpsilon()]
    let arguments = ["check", "own_norm", "--rows", "3", "--seed", "1"]
    #expect(InProcessResult.of(arguments, registry: registry).status == 0)
    let result = InProcessResult.of(arguments + ["--schedules"], registry: registry)
    #expect(result.status == 1)
    #expect(result.output.contains(" elements differ in bits, first at "))
    #expect(result.output.contains("strategy: \"other_epsilon\""), "\(result.output)")
    #expect(result.output.hasSuffix("FAIL\n"))
  }

  @Test func anEditedSourceIsJudgedByTheOracle() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.text, to: "small.ng")
    let emitted = try CommandLineFixture.normgen(
      ["emit", "small.ng", "--target", "portable"], in: directory)
    #expect(emitted.status == 0)
    let text = try directory.text(of: "small_norm_portable.c")
    try directory.write(text.replacing("1e-06f", with: "2e-03f"), to: "edited.c")
    for (name, shape) in [("x", [3, 37]), ("gain", [37])] {
      try NpyFile.write(
        try TensorFixture.tensor(shape, .f32, mean: 1, seed: 3), to: directory.path("\(name).npy"))
    }
    func run(_ source: String) throws -> ProgramResult {
      try CommandLineFixture.normgen(
        [
          "run", "small.ng", "--target", "portable", "--source", source, "--input", "x=x.npy",
          "gain=gain.npy", "--output", "y=y.npy", "--oracle", "y=o.npy",
        ], in: directory)
    }
    let right = try run("small_norm_portable.c")
    #expect(right.status == 0, "\(right.errors)")
    #expect(right.output.contains("\ny: 111 elements have the exact bits\ny: within the bound: "))
    let wrong = try run("edited.c")
    #expect(wrong.status == 1)
    #expect(wrong.output.contains("\ny: 111 of 111 elements have wrong bits, first at element 0: "))
    // Of NaN nothing can be said.
    try NpyFile.write(
      try HostTensor([Float](repeating: .nan, count: 111), shape: [3, 37]),
      to: directory.path("x.npy"))
    let unjudged = try run("edited.c")
    #expect(unjudged.status == 3)
    #expect(unjudged.output.contains("\nNOT JUDGED: no element of 'y' is a number with a bound"))
    #expect(wrong.output.contains("\ny: 111 of 111 beyond the bound: worst at element "))
  }
}
