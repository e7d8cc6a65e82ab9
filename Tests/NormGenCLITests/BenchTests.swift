import Foundation
import Testing

/// Measurements, run as a user would; no absolute time is judged.
@Suite struct BenchTests {
  private static func report(_ arguments: [String]) throws -> BenchJSON {
    let result = try CommandLineFixture.normgen(["bench"] + arguments + ["--json"])
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode(BenchJSON.self, from: Data(result.output.utf8))
  }

  private static func isClose(_ left: Double, _ right: Double) -> Bool {
    abs(left - right) <= 1e-9 * max(abs(left), abs(right))
  }

  @Test func benchPrintsRatiosToTheLimitAndToACopy() throws {
    // With five rounds the quartiles are measured values, so that the inequalities below hold for
    // any measurement.
    let report = try Self.report(["rms_norm_128_f32", "--rows", "3", "--rounds", "5"])
    let kernel = try #require(report.kernels.first)
    #expect(report.kernels.count == 1)
    #expect(kernel.kernel == "rms_norm_128_f32")
    #expect(kernel.group == "norms")
    #expect(kernel.rows == 3)
    #expect(
      kernel.parameters == ["x: f32[rows, 128]", "gain: f32[128]", "y: f32[rows, 128]"])
    // Three rows in, three out, and the gain.
    #expect(kernel.bytes == 7 * 512)
    // 128 fused squares, two products an element, the tree of 64 partials, epsilon, the mean, the
    // root and its inverse.
    #expect(kernel.flops == 3 * (2 * 128 + 2 * 128 + 63 + 1 + 2 + 1))
    for spread in [
      kernel.seconds, kernel.copySeconds, kernel.limit.seconds, kernel.limit.computeSeconds,
      kernel.limit.moveSeconds, kernel.shareOfLimit, kernel.speedOfCopy,
    ] {
      #expect(spread.isOrderedAndPositive)
    }
    #expect(Self.isClose(kernel.bytesPerSecond * kernel.seconds.median, Double(kernel.bytes)))
    #expect(Self.isClose(kernel.flopsPerSecond * kernel.seconds.median, Double(kernel.flops)))
    #expect(Self.isClose(kernel.intensity * Double(kernel.bytes), Double(kernel.flops)))
    #expect(
      kernel.limit.seconds.median
        >= max(kernel.limit.computeSeconds.median, kernel.limit.moveSeconds.median))
    let computes = kernel.limit.computeSeconds.median > kernel.limit.moveSeconds.median
    #expect(kernel.limit.binding == (computes ? "arithmetic" : "bandwidth"))
    // Three of five limits are at most the median, four of five times at least the quartile: two
    // shares at least are no greater than their ratio, and so for the other side.
    let limit = kernel.limit.seconds.median * (1 + 1e-9)
    #expect(kernel.shareOfLimit.lowerQuartile <= limit / kernel.seconds.lowerQuartile)
    #expect(kernel.shareOfLimit.upperQuartile * (1 + 2e-9) >= limit / kernel.seconds.upperQuartile)
    #expect(report.compiling.cachedSeconds < report.compiling.coldSeconds)
  }

  /// A single row of 128 stays in one piece; 512 rows can be cut, whatever the number of processors.
  @Test func threadsShareTheCallsThatCanBeCut() throws {
    let rows = ["rms_norm_128_f32", "--rows", "1", "512", "--rounds", "3"]
    let report = try Self.report(rows + ["--threads", "2"])
    #expect(report.threads == 2)
    #expect(report.kernels.map(\.rows) == [1, 512])
    #expect(report.kernels.map(\.threads) == [1, 2])
    let text = try CommandLineFixture.normgen(["bench"] + rows + ["--threads", "2"])
    #expect(text.output.contains("at most 2 threads a call, limits of one; caches"))
    let alone = try Self.report(rows)
    #expect(alone.threads == 1 && alone.kernels.allSatisfy { $0.threads == 1 })
  }

  @Test func theMachinesLimitsAreMeasured() throws {
    let limits = try Self.report(["rms_norm_128_f32", "--rows", "1", "--rounds", "5"]).limits
    #expect(limits.arithmetic.first?.peak == "f32 multiply-add")
    #expect(limits.arithmetic.allSatisfy { $0.flopsPerSecond.isOrderedAndPositive })
    let features = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
    let hasDot = limits.arithmetic.contains { $0.peak == "bf16 dot product" }
    #expect(hasDot == features.contains("avx512_bf16"))
    for level in limits.bandwidths {
      #expect(level.bytes > 0)
      for rate in [level.read, level.copy, level.streamedCopy] {
        #expect(rate.isOrderedAndPositive)
      }
    }
    let sizes = limits.bandwidths.map(\.bytes)
    #expect(sizes == sizes.sorted())
    let nearest = try #require(limits.bandwidths.first)
    let memory = try #require(limits.bandwidths.last)
    #expect(memory.level == "memory")
    #expect(nearest.read.median >= memory.read.median)
  }

  @Test func kernelsStandInTheirGroups() throws {
    let names = [
      "add_rms_norm_4096_f32", "qk_norm_32x128_bf16", "rms_norm_128_f32", "rms_norm_4096_bf16",
    ]
    let arguments = names + ["--rows", "1", "--rounds", "3"]
    let report = try Self.report(arguments)
    #expect(report.kernels.map(\.group) == ["residual", "heads", "norms", "norms"])
    let chosen = try Self.report(arguments + ["--group", "heads", "residual"])
    #expect(chosen.kernels.map(\.kernel) == ["add_rms_norm_4096_f32", "qk_norm_32x128_bf16"])
    let markdown = try CommandLineFixture.normgen(["bench"] + arguments + ["--markdown"])
    #expect(markdown.status == 0)
    let headings = markdown.output.split(separator: "\n").filter { $0.hasPrefix("**") }
    #expect(headings == ["**norms**", "**residual and norm**", "**norms of heads**"])
    for name in names { #expect(markdown.output.contains("| \(name) |")) }
  }

  @Test func benchRefusesWhatMeansNothing() throws {
    let none = try CommandLineFixture.normgen(["bench", "rms_norm_128_f32", "--rows", "0"])
    #expect(none.status == 64)
    for count in ["0", "257", "-1"] {
      let threads = try CommandLineFixture.normgen([
        "bench", "rms_norm_128_f32", "--threads=\(count)",
      ])
      #expect(threads.status == 64)
      #expect(
        threads.errors.contains("--threads: expected a number from 1 to 256, found \(count)"))
    }
    let suite = try CommandLineFixture.normgen(["bench", "--rows", "7"])
    #expect(suite.status == 64)
    #expect(suite.errors.contains("the suite has rows of its own"))
    let many = try CommandLineFixture.normgen([
      "bench", "rms_norm_128_f32", "--rows", "1000000000000",
    ])
    #expect(many.status == 1)
    #expect(many.errors.contains("takes more memory than this machine can spare"))
    let unknown = try CommandLineFixture.normgen(["bench", "--group", "norm"])
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("expected one of norms, residual, "))
    #expect(unknown.errors.contains("found 'norm'"))
    let other = try CommandLineFixture.normgen(["bench", "rms_norm_128_f32", "--group", "heads"])
    #expect(other.status == 1)
    #expect(
      other.errors
        == "error: --group: expected a kernel of heads, found rms_norm_128_f32 (norms)\n")
    let plot = try CommandLineFixture.normgen(["bench", "rms_norm_128_f32", "--plot", "a.png"])
    #expect(plot.status == 64)
    #expect(plot.errors.contains("expected a name that ends in .svg, found 'a.png'"))
  }
}

/// What `bench --json` prints.
struct BenchJSON: Decodable {
  struct Spread: Decodable {
    let median: Double
    let lowerQuartile: Double
    let upperQuartile: Double

    var isOrderedAndPositive: Bool {
      0 < lowerQuartile && lowerQuartile <= median && median <= upperQuartile
        && upperQuartile.isFinite
    }
  }

  struct Limits: Decodable {
    struct Arithmetic: Decodable {
      let peak: String
      let flopsPerSecond: Spread
    }
    struct Bandwidth: Decodable {
      let level: String
      let bytes: Int
      let read: Spread
      let copy: Spread
      let streamedCopy: Spread
    }
    let arithmetic: [Arithmetic]
    let bandwidths: [Bandwidth]
  }

  struct Kernel: Decodable {
    struct Limit: Decodable {
      let binding: String
      let seconds: Spread
      let computeSeconds: Spread
      let moveSeconds: Spread
    }
    let kernel: String
    let group: String
    let rows: Int
    let threads: Int
    let parameters: [String]
    let bytes: Int
    let flops: Int
    let intensity: Double
    let seconds: Spread
    let copySeconds: Spread
    let bytesPerSecond: Double
    let flopsPerSecond: Double
    let limit: Limit
    let shareOfLimit: Spread
    let speedOfCopy: Spread
  }

  struct Compiling: Decodable {
    let coldSeconds: Double
    let cachedSeconds: Double
  }

  let limits: Limits
  let threads: Int
  let kernels: [Kernel]
  let compiling: Compiling
}
