/// The knobs of a strategy; they change speed, never bits.
public struct Schedule: Hashable, Sendable {
  /// The strategy's name; see ``Strategy/named(_:)``.
  public var strategy: String
  /// Outputs of at least this many bytes a call bypass the caches; nil never.
  public var streamingBytes: Int?
  /// Whether the last pass over a row asks for the next row.
  public var prefetchesNextRow: Bool

  /// Creates a schedule.
  public init(
    strategy: String = "row_streaming", streamingBytes: Int? = defaultStreamingBytes,
    prefetchesNextRow: Bool = true
  ) {
    self.strategy = strategy
    self.streamingBytes = streamingBytes
    self.prefetchesNextRow = prefetchesNextRow
  }

  /// Measured: below it a reader may still find the output in a cache.
  public static let defaultStreamingBytes = 4 << 20
}
