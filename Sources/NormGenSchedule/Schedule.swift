/// The knobs of a strategy; they change speed, never bits.
public struct Schedule: Hashable, Sendable {
  /// The strategy's name, one of those the compiler chooses from.
  public var strategy: String
  /// Outputs of at least this many bytes a call bypass the caches; nil never.
  public var streamingBytes: Int?
  /// Rows that the last pass handles together where it can; 1 for none.
  public var rowTile: Int
  /// Whether the last pass over a row asks for the next row.
  public var prefetchesNextRow: Bool
  /// How matmuls are done.
  public var matmul: MatmulSchedule

  /// Creates a schedule.
  public init(
    strategy: String = "row_streaming", streamingBytes: Int? = defaultStreamingBytes,
    rowTile: Int = 1, prefetchesNextRow: Bool = true, matmul: MatmulSchedule = MatmulSchedule()
  ) {
    self.strategy = strategy
    self.streamingBytes = streamingBytes
    self.rowTile = rowTile
    self.prefetchesNextRow = prefetchesNextRow
    self.matmul = matmul
  }

  /// Measured: below it a reader may still find the output in a cache.
  public static let defaultStreamingBytes = 4 << 20
}

/// The knobs of a kernel's matmuls.
public struct MatmulSchedule: Hashable, Sendable {
  /// The most rows of a block, rounded up to whole tiles of the target and at most 65536; nil for
  /// as many as the panels' memory allows.
  public var blockRows: Int?
  /// Whether weights are packed once, before the kernel is called, or read as they are.
  public var packsWeights: Bool

  /// Creates a schedule.
  public init(blockRows: Int? = nil, packsWeights: Bool = true) {
    self.blockRows = blockRows
    self.packsWeights = packsWeights
  }
}
