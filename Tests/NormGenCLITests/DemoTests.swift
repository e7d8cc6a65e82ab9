import Foundation
import Testing

/// The tool's tour and its measurements, run as a user would.
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

  @Test func benchPrintsRatiosToACopyInTheSameRun() throws {
    let result = try CommandLineFixture.normgen([
      "bench", "rms_norm_128_f32", "--rows", "3", "--rounds", "3", "--json",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
    let kernel = try #require(report.kernels.first)
    #expect(report.kernels.count == 1)
    #expect(kernel.kernel == "rms_norm_128_f32")
    #expect(kernel.rows == 3)
    // Three rows in, three out, and the gain.
    #expect(kernel.bytes == 7 * 512)
    #expect(kernel.speedOfCopy.lowerQuartile <= kernel.speedOfCopy.median)
    #expect(kernel.speedOfCopy.median <= kernel.speedOfCopy.upperQuartile)
    #expect(kernel.seconds > 0 && kernel.copySeconds > 0)
    #expect(report.compiling.cachedSeconds < report.compiling.coldSeconds)
  }

  @Test func benchRefusesRowsThatMeanNothing() throws {
    let none = try CommandLineFixture.normgen(["bench", "rms_norm_128_f32", "--rows", "0"])
    #expect(none.status == 64)
    let suite = try CommandLineFixture.normgen(["bench", "--rows", "7"])
    #expect(suite.status == 64)
    #expect(suite.errors.contains("the suite has rows of its own"))
    let many = try CommandLineFixture.normgen([
      "bench", "rms_norm_128_f32", "--rows", "1000000000000",
    ])
    #expect(many.status == 1)
    #expect(many.errors.contains("takes more memory than this machine can spare"))
  }

  private struct Report: Decodable {
    struct Kernel: Decodable {
      struct Ratio: Decodable {
        let median: Double
        let lowerQuartile: Double
        let upperQuartile: Double
      }
      let kernel: String
      let rows: Int
      let bytes: Int
      let seconds: Double
      let copySeconds: Double
      let speedOfCopy: Ratio
    }
    struct Compiling: Decodable {
      let coldSeconds: Double
      let cachedSeconds: Double
    }
    let kernels: [Kernel]
    let compiling: Compiling
  }
}
