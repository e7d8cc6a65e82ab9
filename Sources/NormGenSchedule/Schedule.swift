/// The knobs of a strategy; they change speed, never bits.
public struct Schedule: Hashable, Sendable {
  /// The strategy's name; see ``Strategy/named(_:)``.
  public var strategy: String
  /// Outputs of at least this many bytes a call bypass the caches; nil never.
  public var streamingBytes: Int?

  /// Creates a schedule.
  public init(strategy: String = "row_streaming", streamingBytes: Int? = defaultStreamingBytes) {
    self.strategy = strategy
    self.streamingBytes = streamingBytes
  }

  /// Measured: below it a reader may still find the output in a cache.
  public static let defaultStreamingBytes = 4 << 20
}
