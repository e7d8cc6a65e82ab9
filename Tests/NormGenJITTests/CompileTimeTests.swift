import Foundation
import Testing

@testable import NormGenJIT

/// Prints how long compilation, cache and linker take; run by name with `NORMGEN_MEASURE` set.
@Suite(.enabled(if: hasCompiler && ProcessInfo.processInfo.environment["NORMGEN_MEASURE"] != nil))
struct CompileTimeTests {
  @Test func timesOfALargeKernel() async throws {
    let clock = ContinuousClock()
    var lines: [String] = []
    func measure<Result>(_ what: String, _ body: () throws -> Result) rethrows -> Result {
      let start = clock.now
      let processorStart = processorMilliseconds()
      let result = try body()
      let processor = processorMilliseconds() - processorStart
      lines.append(
        "\(what): \(start.duration(to: clock.now) / .milliseconds(1)) ms, processor \(processor) ms"
      )
      return result
    }
    let session = try measure("session") { try ClangSession.shared() }
    let options = Sample.baseline
    _ = try measure("driver") { try session.cc1Arguments(for: options) }
    for round in 0..<6 {
      _ = try measure("compile \(round)") {
        try session.object(source: Sample.large, fileName: "norms.c", options: options)
      }
    }
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory)
      for round in 0..<5 {
        let made = try measure("cache \(round)") {
          try session.object(
            kernel: "norms", source: Sample.large, options: options, cache: cache)
        }
        let loaded = try measure("link \(round), \(made.bytes.count) bytes") {
          let loaded = try LoadedObject(object: made.bytes, name: "norms")
          _ = try loaded.address(of: "norm_0")
          return loaded
        }
        withExtendedLifetime(loaded) {}
      }
    }
    print(lines.joined(separator: "\n"))
  }

  /// The time that all threads of the process have spent computing: not disturbed by other
  /// processes on a busy machine.
  private func processorMilliseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }
}
