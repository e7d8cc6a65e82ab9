import Foundation
import NormGen
import NormGenFiles
@testable import NormGenCLI
import Testing

/// `check` of tensors from files.
@Suite struct CheckInputTests {
  private func fixture() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write(TestKernels.two, to: "two.ng")
    try NpyFile.write(
      TensorFixture.tensor([3, 8], .f32, seed: 1), to: directory.path("x.npy"))
    try SafetensorsFile.write(
      [("gain", TensorFixture.tensor([8], .f32, mean: 1, seed: 2))],
      to: directory.path("w.safetensors"))
    return directory
  }

  @Test func theFilesTensorsAreJudged() throws {
    let directory = try fixture()
    let arguments = [
      "check", "two.ng", "--kernel", "first_norm", "--input", "x=x.npy",
      "gain=w.safetensors:gain", "--json",
    ]
    let result = try CommandLineFixture.normgen(arguments, in: directory)
    #expect(result.status == 0, "\(result.errors)")
    // No seed has a part in it.
    #expect(result.errors.isEmpty)
    let reports = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
    #expect(reports.count == 1 && reports[0]["seed"] == nil)
    let lines = try #require(reports[0]["lines"] as? [[String: Any]])
    #expect(lines.map { $0["rows"] as? Int } == [3])
    // The element that is shown is the file's.
    let worst = try #require(reports[0]["worst"] as? [String: Any])
    let indices = try #require(worst["indices"] as? [Int])
    let steps = try #require(worst["steps"] as? [[String: Any]])
    let x = try NpyFile(directory.path("x.npy")).load(as: .f32)
    #expect(steps.first?["name"] as? String == "x")
    #expect(steps.first?["value"] as? Double == x[8 * indices[0] + indices[1]])
    let text = try CommandLineFixture.normgen(arguments.dropLast(), in: directory)
    #expect(text.output.hasPrefix("first_norm\n") && text.output.hasSuffix("pass\n"))
  }

  @Test func targetsAndVariationsReadTheFiles() throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(
      ["check", "two.ng", "--kernel", "second_norm", "--input", "x=x.npy", "--variations"]
        + ["--target", "portable", "host"], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("the same bits in 2, 3 threads"))
    #expect(result.output.contains("other batches"))
  }

  /// A kernel that has other inputs is refused; those that have these are checked.
  @Test func kernelsWithOtherInputsAreRefusedAlone() throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(
      ["check", "two.ng", "--input", "x=x.npy"], in: directory)
    #expect(result.status == 1)
    #expect(result.output.contains("refused: --input: 'first_norm' needs a tensor for gain\nFAIL"))
    #expect(result.output.hasSuffix("pass\n"))
  }

  @Test(arguments: [
    (["--rows", "3"], "--input: can't go with --rows, --adversarial or --seed"),
    (["--adversarial"], "--input: can't go with --rows, --adversarial or --seed"),
    (["--seed", "3"], "--input: can't go with --rows, --adversarial or --seed"),
    (["--input", "y"], "--input: expected NAME=FILE, found 'y'"),
  ]) func contradictionsAreRefused(_ options: [String], _ message: String) throws {
    let directory = try fixture()
    let result = try CommandLineFixture.normgen(
      ["check", "two.ng", "--kernel", "second_norm", "--input", "x=x.npy"] + options,
      in: directory)
    #expect(result.status == 64)
    #expect(result.errors.contains(message), "\(result.errors)")
  }

  @Test func theCatalogHasNoTensorsInCommon() {
    let result = InProcessResult.of(["check", "--all", "--input", "x=x.npy"])
    #expect(result.status == 64)
    #expect(
      result.errors.contains("--input: the tensors of one kernel or one file, not with --all"))
  }
}
