public import NormGen

/// A kernel's speed beside the machine's limits and a plain copy of the bytes that it must move.
public struct KernelBenchmark: Sendable, Codable {
  /// The kernel's name.
  public let kernel: String
  /// What kind of kernel it is.
  public let group: BenchmarkGroup
  /// The target's name.
  public let target: String
  /// The threads that share a call: as many as were asked for, or fewer where the work cannot be
  /// cut into so many parts. The limits and the copy are those of one.
  public let threads: Int
  /// The number of rows of a call.
  public let rows: Int
  /// The parameters as `name: type[extents]`, inputs first.
  public let parameters: [String]
  /// The storage type of the first input.
  public let storage: String
  /// Each input once and each output once, in bytes.
  public let bytes: Int
  /// Floating-point operations of a call, every value computed once; see
  /// ``KernelCost/Operations/flops``.
  public let flops: Int
  /// Where the bytes lie when the call is repeated.
  public let level: MemoryLevel
  /// The time of a call in seconds.
  public let seconds: Spread
  /// The time of copying half of ``bytes`` (which reads and writes as many) in seconds.
  public let copySeconds: Spread
  /// The least time that the machine allows.
  public let limit: RooflineLimit
  /// Least time / kernel time, round by round: 1 at the limit.
  public let shareOfLimit: Spread
  /// Copy time / kernel time, round by round: 1 where the kernel is as fast as `memcpy`.
  public let speedOfCopy: Spread
  /// ``bytes`` by the median time.
  public let bytesPerSecond: Double
  /// ``flops`` by the median time.
  public let flopsPerSecond: Double
  /// Arithmetic intensity: ``flops`` by ``bytes``.
  public let intensity: Double

  /// Measures `kernel` on `rows` rows, in turns with a copy and the limits in this thread.
  ///
  /// - Parameter threads: The most threads that share a call, this one among them.
  public init(
    _ kernel: CompiledKernel, rows: Int, threads: Int = 1, loops: LimitLoops, rounds: Int = 15,
    roundSeconds: Double = 0.004, seed: UInt64 = 1
  ) throws {
    let memory = try BenchmarkMemory(for: kernel, rows: rows, seed: seed)
    let bound = try kernel.bound(rows: rows, memory.arguments, threads: threads)
    let operations = KernelCost(kernel.lowering).operationsPerRow
    let peak = loops.peak(bounding: operations)
    self.bytes = 2 * memory.copiedBytes
    self.level = .of(bytes: bytes)
    var actions: [() -> Void] = [
      { bound() }, { memory.copy() }, { loops.run(peak) }, { memory.read(loops) },
    ]
    // Nearer caches are always faster than what bypasses them.
    if level == .l3 || level == .memory { actions.append { memory.stream(loops) } }
    let timing = InterleavedTiming(
      rounds: rounds, roundSeconds: roundSeconds, actions)
    self.kernel = kernel.name
    self.group = .of(kernel.lowering.graph)
    self.target = kernel.lowering.target.name
    self.rows = rows
    self.threads = bound.threads
    self.parameters = kernel.parameters.map { "\($0.name): \($0.storage.rawValue)\($0.shape)" }
    self.storage = kernel.parameters.first?.storage.rawValue ?? ""
    self.flops = operations.flops * rows
    let flopSeconds = Double(flops) / loops.operations(of: peak)
    let computeSeconds = timing.seconds[2].map { $0 * flopSeconds }
    let moveSeconds = timing.seconds[2].indices.map { round in
      timing.seconds[3...].map { $0[round] }.min() ?? 0
    }
    let limitSeconds = zip(computeSeconds, moveSeconds).map { max($0, $1) }
    self.limit = RooflineLimit(
      peak: peak, computeSeconds: Spread(computeSeconds), moveSeconds: Spread(moveSeconds),
      seconds: Spread(limitSeconds))
    self.seconds = Spread(timing.seconds[0])
    self.copySeconds = Spread(timing.seconds[1])
    self.speedOfCopy = timing.ratio(of: 1, to: 0)
    self.shareOfLimit = Spread(zip(limitSeconds, timing.seconds[0]).map { $0 / $1 })
    self.bytesPerSecond = Double(bytes) / seconds.median
    self.flopsPerSecond = Double(flops) / seconds.median
    self.intensity = Double(flops) / Double(max(bytes, 1))
  }
}
