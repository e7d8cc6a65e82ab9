import NormGen

/// The times of a site's kernel and of its separate parts, measured in turns.
public struct SiteTiming: Sendable, Codable {
  /// The rows of a call.
  public let rows: Int
  /// The most threads that share a call.
  public let threads: Int
  /// Seconds of a call.
  public let seconds: Spread
  /// Seconds of the separate kernels together; nil where there are none.
  public let unfusedSeconds: Spread?
  /// Unfused time / fused time, round by round.
  public let gain: Spread?
  /// Two for each product and row: the operations of the matmuls alone.
  public let matmulOperations: Int
  /// Each input, weight and output once, in bytes.
  public let bytes: Int
  /// Whether fused and unfused outputs, and those of one row in one
  /// thread, have the same bits.
  public let agrees: Bool

  /// Matmul operations per second.
  public var operationsPerSecond: Double { Double(matmulOperations) / seconds.median }
  /// Bytes per second.
  public var bandwidth: Double { Double(bytes) / seconds.median }

  /// The time that one measurement should take at most, as far as three rounds allow.
  private static let seconds = 3.0

  /// Times a site on `rows` rows, shared by up to `threads` threads.
  public init(_ run: SiteRun, rows: Int, threads: Int = 1, rounds: Int) throws {
    let fused = try run.fused(rows: rows, threads: threads)
    let unfused = try run.unfused(rows: rows, threads: threads)
    let clock = ContinuousClock()
    let once =
      clock.measure {
        fused()
        unfused?()
      } / .seconds(1)
    let one = try run.fused(rows: 1)
    one()
    agrees =
      one.agrees(with: fused, rows: 1)
      && (unfused.map { $0.agrees(with: fused, rows: rows) } ?? true)

    // A round calls each at least twice.
    let affordable = Int(SiteTiming.seconds / max(2 * once, 1e-9))
    let actions: [() -> Void] = [{ fused() }] + (unfused.map { call in [{ call() }] } ?? [])
    let timing = InterleavedTiming(
      rounds: max(3, min(rounds, affordable)), roundSeconds: 0.002, actions)
    self.rows = rows
    self.threads = threads
    seconds = Spread(timing.seconds[0])
    unfusedSeconds = unfused == nil ? nil : Spread(timing.seconds[1])
    gain = unfused == nil ? nil : timing.ratio(of: 1, to: 0)
    matmulOperations =
      2 * rows
      * run.kernel.lowering.program.products.map { $0.depth * $0.columns }.reduce(0, +)
    bytes = try run.kernel.parameters.map { try $0.byteCount(rows: rows) }
      .reduce(0, +)
  }
}
