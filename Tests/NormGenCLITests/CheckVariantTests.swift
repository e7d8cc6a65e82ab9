import Foundation
import NormGen
import NormGenCheck
@testable import NormGenCLI
import Testing

/// `check` of the whole catalog and of special values.
@Suite struct CheckVariantTests {
  /// An epsilon so small that only rows near zero tell whether it is there.
  private static let epsilon: Float = 1e-30

  private static var registry: Registry {
    var registry = Registry()
    registry.catalog = Catalog([
      .init(TestKernels.rmsNorm("first_norm", epsilon: epsilon), "own"),
      .init(TestKernels.rmsNorm("second_norm", epsilon: 1e-6), "own"),
    ])
    return registry
  }

  /// A strategy that leaves the smaller epsilon out.
  private struct NoEpsilon: Strategy {
    let name = "no_epsilon"
    let summary = "computes something else"

    func applies(to region: Region, target: Target) -> Bool { true }

    func lowered(
      _ region: Region, schedule: Schedule, target: Target
    ) throws(PlanError) -> RowProgram {
      guard region.graph.name == "first_norm" else {
        return try RowStreaming().lowered(region, schedule: schedule, target: target)
      }
      guard let graph = try? TestKernels.rmsNorm("first_norm", epsilon: 0).graph() else {
        throw PlanError(kernel: region.graph.name, message: "not the test's kernel")
      }
      return try RowStreaming().lowered(
        try FusionPlanner.region(of: graph), schedule: schedule, target: target)
    }
  }

  @Test func theWholeCatalogIsChecked() throws {
    let result = InProcessResult.of(["check", "--all", "--seed", "1"], registry: Self.registry)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let lines = result.output.split(separator: "\n")
    #expect(lines.first == "seed 1")
    #expect(lines[1].hasPrefix("pass first_norm: 851 elements, worst error / bound "))
    #expect(lines[2].hasPrefix("pass second_norm: 851 elements, worst error / bound "))
    #expect(lines.last == "2 of 2 kernels pass")
    let json = InProcessResult.of(["check", "--all", "--json"], registry: Self.registry)
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    #expect(reports.map { $0["kernel"] as? String } == ["first_norm", "second_norm"])
  }

  @Test func aKernelOrTheCatalogIsNamed() throws {
    let neither = InProcessResult.of(["check"], registry: Self.registry)
    #expect(neither.status == 64)
    #expect(neither.errors.contains("name a kernel or a text file, or give --all"))
    let both = InProcessResult.of(["check", "first_norm", "--all"], registry: Self.registry)
    #expect(both.status == 64)
    #expect(both.errors.contains("found the kernel 'first_norm' besides"))
  }

  /// Ordinary rows do not show that an epsilon is missing; zeros do.
  @Test func specialRowsShowWhatOthersDoNot() throws {
    var registry = Self.registry
    let arguments = ["check", "first_norm", "--seed", "1"]
    let right = InProcessResult.of(arguments + ["--adversarial"], registry: registry)
    #expect(right.status == 0, "\(right.output)\(right.errors)")
    #expect(right.output.contains(" special "))
    registry.strategies = [NoEpsilon()]
    #expect(InProcessResult.of(arguments, registry: registry).status == 0)
    let wrong = InProcessResult.of(arguments + ["--adversarial"], registry: registry)
    #expect(wrong.status == 1)
    #expect(wrong.output.contains(" in the row of zeros is "))
    let all = InProcessResult.of(["check", "--all", "--adversarial"], registry: registry)
    #expect(all.status == 1)
    #expect(all.output.contains("FAIL first_norm: "))
    #expect(all.output.hasSuffix("1 of 2 kernels pass\n"))
  }

  @Test func everyFamilyFillsItsRow() throws {
    let graph = try Kernel(
      "k", Tensor.input("x", [.rows, 8], .f32) + Tensor.input("r", [.rows, 8], .bf16)
    ).graph()
    let rows = try SpecialRows(for: graph, seed: 1)
    #expect(rows.count == 48 && Set(rows.names).count == 48)
    let x = try #require(rows.inputs["x"])
    let r = try #require(rows.inputs["r"])
    func row(_ name: String, of tensor: HostTensor) throws -> [Double] {
      let index = try #require(rows.names.firstIndex(of: name))
      return (0..<8).map { tensor[8 * index + $0] }
    }
    #expect(try row("zeros", of: x) == [0, 0, 0, 0, 0, 0, 0, 0])
    #expect(try row("zeros", of: r).contains { $0 != 0 })
    #expect(try row("zeros, in all inputs", of: r) == [0, 0, 0, 0, 0, 0, 0, 0])
    #expect(try row("greatest, in all inputs", of: r).allSatisfy { $0 == 0x1.fep127 })
    #expect(try row("least", of: x).allSatisfy { $0 == 0x1p-149 })
    #expect(try row("NaN last", of: x).map(\.isNaN).firstIndex(of: true) == 7)
    #expect(rows.name(of: 8, among: 336) == rows.names[1])
    #expect(rows.name(of: 8, among: 8) == nil)
  }
}
