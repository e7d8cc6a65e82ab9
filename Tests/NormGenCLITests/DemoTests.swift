import Foundation
import Testing

/// The tool's tour, run as a user would.
@Suite struct DemoTests {
  private static let examples = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Examples").path

  @Test func theDemoJudgesRealTensorsByBothBounds() throws {
    let result = try CommandLineFixture.normgen(["demo", "--examples", Self.examples])
    #expect(result.status == 0, "\(result.errors)")
    for expected in [
      "kernel minilm_layer_norm(x: f32[rows, 384]", "pass 1: mean_x over 384",
      "// Pass 3: output y.", "against the oracle   within the bound   49152 elements",
      "against PyTorch      within the bounds  49152 elements", "beside memcpy",
    ] {
      #expect(result.output.contains(expected), "\(expected)")
    }
  }

  /// Real tensors that lie beside the repository where they were fetched.
  private static let feedForward = URL(filePath: examples).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "shared/data/minilm_feed_forward.safetensors")
    .path

  @Test(.enabled(if: FileManager.default.fileExists(atPath: feedForward)))
  func theFeedForwardPartIsJudgedByBothBounds() throws {
    let result = try CommandLineFixture.normgen([
      "demo", "--examples", Self.examples, "--feed-forward", Self.feedForward,
    ])
    #expect(result.status == 0, "\(result.output) \(result.errors)")
    for expected in [
      "minilm_up against the oracle    within the bound   196608 elements",
      "minilm_up against PyTorch       within the bounds  196608 elements",
      "minilm_down against the oracle  within the bound   49152 elements",
      "minilm_down against PyTorch     within the bounds  49152 elements",
    ] {
      #expect(result.output.contains(expected), "\(expected)")
    }
  }

  @Test func theFeedForwardPartNamesAMissingTensor() throws {
    let result = try CommandLineFixture.normgen([
      "demo", "--examples", Self.examples, "--feed-forward",
      Self.examples + "/Data/minilm_embedding_norm.safetensors",
    ])
    #expect(result.status == 1)
    #expect(result.errors.contains("w_up"), "\(result.errors)")
  }

  @Test func theDemoNamesWhatItDoesNotFind() throws {
    let directory = try TestDirectory()
    let result = try CommandLineFixture.normgen(["demo"], in: directory)
    #expect(result.status == 1)
    #expect(
      result.errors
        == "error: Examples/minilm_layer_norm.ng: expected a text file with kernels, "
        + "found no such file\n")
  }
}
