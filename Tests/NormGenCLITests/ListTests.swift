import Foundation
import NormGen
@testable import NormGenCLI
import Testing

@Suite struct ListTests {
  @Test func everyKernelOfTheCatalogHasALine() throws {
    let result = try CommandLineFixture.normgen(["list"])
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    let names = result.output.split(separator: "\n").dropFirst().compactMap {
      $0.split(separator: " ").first.map(String.init)
    }
    #expect(names == Catalog.standard.entries.map(\.kernel.name))
  }

  @Test func jsonSaysWhatTheGraphSays() throws {
    let result = try CommandLineFixture.normgen(["list", "--json"])
    #expect(result.status == 0)
    let list = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    #expect(list.count == Catalog.standard.entries.count)
    let kernel = try #require(list.first { $0["name"] as? String == "add_rms_norm_4096_bf16" })
    let inputs = try #require(kernel["inputs"] as? [[String: String]])
    #expect(inputs.map { $0["name"] } == ["x", "residual", "gain"])
    #expect(inputs[0] == ["name": "x", "storage": "bf16", "shape": "[rows, 4096]"])
    let outputs = try #require(kernel["outputs"] as? [[String: String]])
    #expect(outputs.map { $0["name"] } == ["hidden", "normed"])
  }

  @Test func aReaderThatGoesAwayCausesNoNoise() throws {
    let result = try CommandLineFixture.run(
      "/bin/sh",
      ["-c", "trap '' PIPE; \"$0\" list | true", try CommandLineFixture.toolPath()])
    #expect(result.errors.isEmpty)
    let direct = try CommandLineFixture.run(
      "/bin/sh", ["-c", "\"$0\" list | head -1", try CommandLineFixture.toolPath()])
    #expect(direct.output.hasPrefix("kernel"))
    #expect(direct.errors.isEmpty)
  }

  @Test func aFullDiskIsAnError() throws {
    let result = try CommandLineFixture.run(
      "/bin/sh", ["-c", "\"$0\" list > /dev/full", try CommandLineFixture.toolPath()])
    #expect(result.status == 1)
    #expect(result.errors.hasPrefix("error: standard output cannot be written: "))
  }
}
