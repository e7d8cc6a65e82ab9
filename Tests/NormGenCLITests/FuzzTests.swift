import Foundation
import NormGen
@testable import NormGenCLI
import NormGenTool
import Testing

@Suite struct FuzzCommandTests {
  private static let host = HostCPU.current.bestTarget.name

  @Test func rightKernelsPass() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(
      ["fuzz", "--count", "3", "--seed", "8", "--target", "host"], in: directory,
      environment: ["NORMGEN_CACHE": directory.path("cache")])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.hasPrefix("seed 8\n"))
    #expect(result.output.contains("kernels 3, passed 3, refused 0, failed 0"))
    #expect(result.output.contains("targets \(Self.host), 1 and 3 threads"))
    #expect(result.output.hasSuffix("pass\n"))
    // Nobody watches, and nothing is kept, of the compiled objects neither.
    #expect(result.errors.isEmpty)
    #expect(directory.files.isEmpty)
  }

  @Test func aRunIsResumed() throws {
    let directory = try TestDirectory()
    func run(_ count: Int, _ more: [String] = []) throws -> ProgramResult {
      try CommandLineFixture.normgen(
        ["fuzz", "--count", "\(count)", "--target", "host", "--json"] + more, in: directory)
    }
    func numbers(_ result: ProgramResult) throws -> [String: Any] {
      var numbers = try #require(
        try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
      numbers["seconds"] = nil
      return numbers
    }
    let state = ["--resume", "state.json"]
    let first = try run(2, state + ["--seed", "9"])
    #expect(first.errors == "seed 9\n")
    #expect(try numbers(first)["nextSeed"] as? Int == 11)
    #expect(directory.files == ["state.json"])
    let resumed = try numbers(try run(5, state))
    #expect(resumed["graphs"] as? Int == 5)
    #expect(resumed as NSDictionary == (try numbers(try run(5, ["--seed", "9"]))) as NSDictionary)
    // Nothing is left to do.
    #expect(try numbers(try run(5, state)) as NSDictionary == resumed as NSDictionary)
    let other = try run(5, state + ["--seed", "10"])
    #expect(other.status == 64)
    #expect(other.errors.contains("the run kept in 'state.json' has seed 9, found 10"))
    try directory.write("{", to: "state.json")
    let damaged = try run(5, state)
    #expect(damaged.status == 1)
    #expect(
      damaged.errors.contains("state.json: expected the state of a run of 'fuzz', found other text")
    )
  }

  @Test(arguments: [["--count", "0"], ["--minutes", "0"], ["--failures", "0"]])
  func numbersMustMeanSomething(arguments: [String]) throws {
    let result = try CommandLineFixture.normgen(["fuzz"] + arguments)
    #expect(result.status == 64)
    #expect(result.errors.contains("\(arguments[0]): expected a number"))
  }

  /// A strategy that takes the logistic function for the hyperbolic tangent.
  private struct WrongTangent: Strategy {
    let name = "wrong_tangent"
    let summary = "computes something else"

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> RowProgram {
      let graph = region.graph
      let nodes = graph.nodes.map { node in
        Node(
          op: node.op == .elementwise(.tanh) ? .elementwise(.sigmoid) : node.op,
          operands: node.operands, shape: node.shape, name: node.name, scope: node.scope)
      }
      let other = try FusionPlanner.region(
        of: Graph(
          name: graph.name, nodes: nodes, inputs: graph.inputs, outputs: graph.outputs,
          scopes: graph.scopes))
      let isSame = other.parameterShapes == region.parameterShapes
      return try RowStreaming().lowered(
        isSame ? other : region, schedule: schedule, target: target)
    }
  }

  @Test func aFailureIsMadeSmallAndWritten() throws {
    let directory = try TestDirectory()
    var registry = Registry.normgen
    registry.strategies = [WrongTangent()]
    let wrong = InProcessResult.of(
      ["fuzz", "--count", "200", "--seed", "60", "--failures", "1", "--target", "host"]
        + ["--output", directory.path], registry: registry)
    #expect(wrong.status == 1)
    #expect(wrong.output.hasSuffix("FAIL\n"))
    let file = try #require(directory.files.first)
    #expect(directory.files.count == 1)
    let seed = file.dropFirst("fuzz_".count).dropLast(".ng".count)
    #expect(wrong.output.contains("seed \(seed) fails, loops (\(Self.host)): rows "))
    #expect(wrong.output.contains("normgen fuzz --seed \(seed) --count 1\n"))
    let text = try directory.text(of: file)
    #expect(text.hasPrefix("// Seed \(seed): loops (\(Self.host)): rows "))
    #expect(text.contains("tanh("))
    #expect(text.split(separator: "\n").count < 12, "\(text)")
    // Both commands show it.
    let again = ["fuzz", "--seed", "\(seed)", "--count", "1", "--output", directory.path]
    #expect(InProcessResult.of(again, registry: registry).status == 1)
    let check = try #require(
      wrong.output.split(separator: "\n").first { $0.contains("normgen check ") })
    let arguments = check.split(separator: " ").dropFirst().map(String.init)
    let checked = InProcessResult.of(arguments, registry: registry)
    #expect(checked.status == 1)
    #expect(checked.output.contains("\(Self.host): the lowered loops are wrong, too: output '"))
    registry.strategies = [RowStreaming()]
    #expect(InProcessResult.of(arguments, registry: registry).status == 0)
  }
}
