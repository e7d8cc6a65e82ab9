import Foundation
import NormGen
import NormGenCheck
@testable import NormGenCLI
import Testing

@Suite struct CheckTests {
  @Test func aRightKernelPasses() throws {
    let result = try CommandLineFixture.normgen(
      ["check", "add_rms_norm_4096_bf16", "--rows", "0", "3", "--seed", "7"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let lines = result.output.split(separator: "\n").map(String.init)
    #expect(lines[0] == "seed 7")
    #expect(lines[1] == "add_rms_norm_4096_bf16")
    #expect(lines.filter { $0.contains(" hidden ") || $0.contains(" normed ") }.count == 4)
    #expect(lines.last == "pass")
    // Nobody watches, so nothing is shown.
    #expect(result.errors.isEmpty)
  }

  @Test func targetsHaveTheSameBits() throws {
    let result = try CommandLineFixture.normgen(
      ["check", "layer_norm_384_f32", "--rows", "2", "--target", "all", "--seed", "1"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let names = TargetMachine.targets.filter(Target.general.contains).map(\.name)
      .joined(separator: ", ")
    #expect(result.output.contains("\(names): the same bits"))
    for target in Target.all {
      #expect(
        result.errors.contains("note: kernels for '\(target)' do not run")
          == !TargetMachine.targets.contains(target))
    }
  }

  @Test func threadsHaveTheSameBits() throws {
    let result = try CommandLineFixture.normgen(
      ["check", "layer_norm_384_f32", "--rows", "0", "13", "--threads", "2", "7", "--seed", "1"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.contains("\(HostCPU.current.bestTarget): the same bits in 2, 7 threads"))
    let refused = try CommandLineFixture.normgen(
      ["check", "layer_norm_384_f32", "--threads", "2", "0"])
    #expect(refused.status == 64)
    #expect(refused.errors.contains("--threads: expected numbers from 1 on, found 0"))
  }

  @Test func threadsOfEmulatedTargetsAreNotCompared() throws {
    guard !HostCPU.current.supports(.neon) else { return }
    let alone = try CommandLineFixture.normgen(
      ["check", "layer_norm_384_f32", "--rows", "3", "--target", "neon", "--threads", "2"])
    #expect(alone.status == 1)
    #expect(alone.errors.contains("kernels for 'neon' are emulated here, in one thread"))
    let both = try CommandLineFixture.normgen(
      ["check", "layer_norm_384_f32", "--rows", "3", "--target", "portable", "neon", "--threads"]
        + ["2"])
    #expect(both.status == 0, "\(both.output)\(both.errors)")
    #expect(both.output.contains("portable: the same bits in 2 threads"))
    #expect(both.output.contains(", in one thread"))
  }

  @Test func aSeedRepeatsTheNumbers() throws {
    func numbers(_ arguments: [String], _ environment: [String: String] = [:]) throws -> String {
      try CommandLineFixture.normgen(
        ["check", "rms_norm_128_f32", "--rows", "1"] + arguments, environment: environment
      ).output
    }
    let first = try numbers(["--seed", "5"])
    #expect(try numbers(["--seed", "5"]) == first)
    #expect(try numbers([], ["NORMGEN_SEED": "5"]) == first)
    #expect(try numbers(["--seed", "6"]).dropFirst(7) != first.dropFirst(7))
  }

  @Test func jsonHasEveryNumber() throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    let result = try CommandLineFixture.normgen(
      ["check", "two.ng", "--rows", "1", "2", "--json", "--seed", "3"], in: directory)
    #expect(result.status == 0)
    #expect(result.errors == "seed 3\n")
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    #expect(reports.map { $0["kernel"] as? String } == ["first_norm", "second_norm"])
    #expect(reports[0]["passes"] as? Bool == true)
    #expect(reports[0]["seed"] as? Int == 3)
    let lines = try #require(reports[0]["lines"] as? [[String: Any]])
    #expect(lines.map { $0["rows"] as? Int } == [1, 2])
    #expect(lines.map { $0["elements"] as? Int } == [8, 16])
    #expect(lines.allSatisfy { $0["failures"] as? Int == 0 })
    let worst = try #require(lines[0]["worst"] as? [String: Any])
    let error = try #require(worst["error"] as? Double)
    let bound = try #require(worst["bound"] as? Double)
    #expect(error <= bound)
    #expect(worst["ratio"] as? Double == (error == 0 ? 0 : error / bound))
  }

  @Test func boundaryRowsAreTheDefault() throws {
    let result = try CommandLineFixture.normgen(["check", "rms_norm_128_f32", "--json"])
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    let lines = try #require(reports.first?["lines"] as? [[String: Any]])
    #expect(lines.map { $0["rows"] as? Int } == [0, 1, 2, 3, 17])
  }

  /// A strategy that computes another kernel: its epsilon is a thousand times too large.
  private struct WrongEpsilon: Strategy {
    let name = "wrong_epsilon"
    let summary = "computes something else"

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> RowProgram {
      guard
        let graph = try? TestKernels.rmsNorm(region.graph.name, epsilon: 1e-3).graph(),
        let other = try FusionPlanner.plan(of: graph).regions.first
      else { throw PlanError(kernel: region.graph.name, message: "not the test's kernel") }
      return try RowStreaming().lowered(other, schedule: schedule, target: target)
    }
  }

  @Test func aWrongKernelFails() throws {
    var registry = Registry()
    registry.catalog = Catalog([.init(TestKernels.rmsNorm("own_norm", epsilon: 1e-6), "own")])
    registry.strategies = [WrongEpsilon()]
    let arguments = ["check", "own_norm", "--rows", "0", "2", "--seed", "1"]
    let wrong = InProcessResult.of(arguments, registry: registry)
    #expect(wrong.status == 1)
    #expect(wrong.output.contains("beyond the bound"))
    #expect(wrong.output.contains("rows 2, output 'y': element "))
    #expect(wrong.output.contains("the oracle says"))
    #expect(wrong.output.hasSuffix("FAIL\n"))
    let json = InProcessResult.of(arguments + ["--json"], registry: registry)
    #expect(json.status == 1)
    #expect(json.output.contains(#""passes" : false"#))
    registry.strategies = [RowStreaming()]
    #expect(InProcessResult.of(arguments, registry: registry).status == 0)
  }

  /// A strategy that is right for one target only.
  private struct WrongForOneTarget: Strategy {
    let name = "wrong_for_portable"
    let summary = "differs between targets"

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> RowProgram {
      let strategy: any Strategy = target == .portable ? WrongEpsilon() : RowStreaming()
      return try strategy.lowered(region, schedule: schedule, target: target)
    }
  }

  @Test func targetsWithOtherBitsFail() throws {
    var registry = Registry()
    registry.catalog = Catalog([.init(TestKernels.rmsNorm("own_norm", epsilon: 1e-6), "own")])
    registry.strategies = [WrongForOneTarget()]
    let result = InProcessResult.of(
      ["check", "own_norm", "--rows", "2", "--target", "host", "portable", "--seed", "1"],
      registry: registry)
    #expect(result.status == 1)
    #expect(result.output.contains("rows 2, output 'y': "))
    #expect(result.output.contains(" elements differ in bits, first at "))
    #expect(!result.output.contains("the same bits"))
  }
}
