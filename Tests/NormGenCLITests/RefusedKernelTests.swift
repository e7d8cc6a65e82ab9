import Foundation
import NormGen
@testable import NormGenCLI
import Testing

/// A kernel that is refused leaves the others of its file, or of the catalog, to be done.
@Suite struct RefusedKernelTests {
  /// The second of three kernels takes the values of blocks apart from a product, which no plan does.
  static let text = """
    kernel first_norm(x: f32[rows, 8]) {
      y = l2_norm(x)
    } -> y
    kernel refused_norm(x: f32[rows, 32], w: q8_0[32]) {
      normed = rms_norm(x)
      y = normed * w
    } -> y
    kernel last_norm(x: f32[rows, 8]) {
      y = rms_norm(x, epsilon: 1e-6)
    } -> y

    """

  private let refusal = "kernel 'refused_norm' cannot be planned: "

  /// The refusal with the place of what is refused in the text.
  private func refusal(in directory: TestDirectory) -> String {
    directory.path("three.ng") + ":6:14: " + refusal
  }

  private func directory() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write(Self.text, to: "three.ng")
    return directory
  }

  @Test func theOthersOfAFileAreChecked() throws {
    let directory = try directory()
    let path = directory.path("three.ng")
    let arguments = ["check", path, "--rows", "2", "--seed", "1", "--target", "portable"]
    let result = InProcessResult.of(arguments)
    #expect(result.status == 1)
    #expect(result.errors.isEmpty)
    let lines = result.output.split(separator: "\n").map(String.init)
    let verdicts = lines.filter { ["pass", "FAIL"].contains($0) }
    #expect(verdicts == ["pass", "FAIL", "pass"], "\(result.output)")
    let place = try #require(lines.firstIndex(of: "refused_norm"))
    #expect(lines[place + 1].hasPrefix("refused: " + refusal(in: directory)))
    let json = InProcessResult.of(arguments + ["--json"])
    #expect(json.status == 1)
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    #expect(reports.map { $0["passes"] as? Bool } == [true, false, true])
    let refusal = refusal(in: directory)
    #expect(reports.map { ($0["refusal"] as? String)?.hasPrefix(refusal) } == [nil, true, nil])
  }

  @Test func theOnlyKernelsRefusalIsTheCommands() throws {
    let directory = try directory()
    let result = InProcessResult.of(
      ["check", directory.path("three.ng"), "--kernel", "refused_norm", "--seed", "1"])
    #expect(result.status == 1)
    #expect(result.errors.hasPrefix("error: " + refusal(in: directory)))
  }

  @Test func theOthersOfTheCatalogAreChecked() throws {
    let x = Tensor.input("x", [.rows, 32], .f32)
    let refused = Kernel("refused_norm", x.rmsNorm() * Tensor.input("w", [32], .q8_0))
    var registry = Registry()
    registry.catalog = Catalog([
      .init(refused, "refused"), .init(TestKernels.rmsNorm("own_norm", epsilon: 1e-6), "own"),
    ])
    let result = InProcessResult.of(["check", "--all", "--seed", "1"], registry: registry)
    #expect(result.status == 1)
    let lines = result.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 4, "\(result.output)\(result.errors)")
    #expect(lines[1].hasPrefix("refused refused_norm: ") && lines[1].contains(": " + refusal))
    #expect(lines[2].hasPrefix("pass own_norm: "))
    #expect(lines[3] == "1 of 2 kernels pass")
  }

  /// What the whole request lacks is said once, not of every kernel.
  @Test func faultsOfTheRequestEndTheCommand() throws {
    let directory = try directory()
    let result = InProcessResult.of(
      ["check", directory.path("three.ng"), "--target", "vax"])
    #expect(result.status == 1)
    #expect(result.errors.contains("no target is named 'vax'"))
    #expect(result.output.isEmpty)
  }

  @Test func theOthersAreExplained() throws {
    let directory = try directory()
    let result = InProcessResult.of(["explain", directory.path("three.ng")])
    #expect(result.status == 1)
    #expect(result.errors.hasPrefix("error: " + refusal(in: directory)))
    #expect(result.output.contains("kernel first_norm("))
    #expect(result.output.contains("kernel last_norm("))
  }

  /// A set of files is written whole or not at all, but every refusal is told.
  @Test func nothingIsEmittedAndEveryRefusalIsTold() throws {
    let directory = try directory()
    let text = Self.text + Self.text.replacing("_norm(x:", with: "_other(x:")
    try directory.write(text, to: "six.ng")
    let result = InProcessResult.of(["emit", directory.path("six.ng"), "-o", directory.path])
    #expect(result.status == 1)
    #expect(result.errors.contains(refusal) && result.errors.contains("'refused_other'"))
    #expect(directory.files == ["six.ng", "three.ng"])
  }

  @Test func theOthersAreTimed() throws {
    let directory = try directory()
    let result = InProcessResult.of(
      ["bench", directory.path("three.ng"), "--rows", "1", "2", "--rounds", "3"])
    #expect(result.status == 1)
    #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
    #expect(result.errors.hasPrefix("error: " + refusal(in: directory)))
    #expect(result.output.contains("first_norm") && result.output.contains("last_norm"))
    #expect(!result.output.contains("refused_norm"))
  }
}
