public import NormGen

/// A kernel's speed beside a plain copy of the bytes that it must move.
public struct KernelBenchmark: Sendable, Codable {
  /// The kernel's name.
  public let kernel: String
  /// The target's name.
  public let target: String
  /// The number of rows of a call.
  public let rows: Int
  /// Each input once and each output once, in bytes.
  public let bytes: Int
  /// Where the bytes lie when the call is repeated.
  public let level: MemoryLevel
  /// The median time of a call in seconds.
  public let seconds: Double
  /// The median time of copying half of ``bytes`` (which reads and writes as many) in seconds.
  public let copySeconds: Double
  /// Copy time / kernel time: 1 where the kernel is as fast as `memcpy`.
  public let speedOfCopy: Spread

  /// Measures `kernel` on `rows` rows in this thread.
  public init(
    _ kernel: CompiledKernel, rows: Int, rounds: Int = 15, roundSeconds: Double = 0.004,
    seed: UInt64 = 1
  ) throws {
    let memory = try BenchmarkMemory(for: kernel, rows: rows, seed: seed)
    let bound = try kernel.bound(rows: rows, memory.arguments)
    let timing = InterleavedTiming(
      rounds: rounds, roundSeconds: roundSeconds, [{ bound() }, { memory.copy() }])
    self.kernel = kernel.name
    self.target = kernel.lowering.target.name
    self.rows = rows
    self.bytes = 2 * memory.copiedBytes
    self.level = .of(bytes: bytes)
    self.seconds = timing.median(0)
    self.copySeconds = timing.median(1)
    self.speedOfCopy = timing.ratio(of: 1, to: 0)
  }

  /// Bytes per second.
  public var bandwidth: Double { Double(bytes) / seconds }
}
