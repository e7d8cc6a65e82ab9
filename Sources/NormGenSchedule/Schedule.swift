/// The knobs of a strategy; they change speed, never bits.
///
/// A schedule can be written down and read again, so that a search may try many. The defaults of all
/// knobs were measured.
public struct Schedule: Hashable, Sendable, Codable {
  /// The strategy's name, one of those the compiler chooses from.
  public var strategy: String
  /// Outputs of at least this many bytes a call bypass the caches; nil never.
  public var streamingBytes: Int?
  /// Rows that the last pass handles together where it can, at most ``mostTileRows``; 1 for none.
  public var rowTile: Int
  /// Whether the last pass over a row asks for the next row.
  public var prefetchesNextRow: Bool
  /// Which values later passes read back.
  public var keeping: KeepingSchedule
  /// How matmuls are done.
  public var matmul: MatmulSchedule

  /// Creates a schedule.
  public init(
    strategy: String = "row_streaming", streamingBytes: Int? = defaultStreamingBytes,
    rowTile: Int = 1, prefetchesNextRow: Bool = true,
    keeping: KeepingSchedule = KeepingSchedule(), matmul: MatmulSchedule = MatmulSchedule()
  ) {
    self.strategy = strategy
    self.streamingBytes = streamingBytes
    self.rowTile = rowTile
    self.prefetchesNextRow = prefetchesNextRow
    self.keeping = keeping
    self.matmul = matmul
  }

  /// What a tile's rows keep should stay in the nearest cache.
  public static let mostTileRows = 64

  /// Measured: below it a reader may still find the output in a cache.
  public static let defaultStreamingBytes = 4 << 20
}

/// When a value that several passes need is kept instead of computed again.
///
/// Costs are counted in vector loads from the nearest cache.
public struct KeepingSchedule: Hashable, Sendable, Codable {
  /// A value that costs more is read back from an output that holds it exactly. Two loads and a sum cost
  /// no more than the way of an output that could otherwise bypass the caches.
  public var leastOutputCost: Double
  /// A value that costs as much or more is kept in a scratch row.
  public var leastScratchCost: Double
  /// Elements of all scratch rows together, at most ``mostScratchElements``.
  public var scratchElements: Int

  /// Creates a schedule.
  public init(
    leastOutputCost: Double = 2.5, leastScratchCost: Double = 6,
    scratchElements: Int = mostScratchElements
  ) {
    self.leastOutputCost = leastOutputCost
    self.leastScratchCost = leastScratchCost
    self.scratchElements = scratchElements
  }

  /// 128 KiB of Float32, which the second-level cache holds.
  public static let mostScratchElements = 32768
}

/// The knobs of a kernel's matmuls.
public struct MatmulSchedule: Hashable, Sendable, Codable {
  /// The most rows of a block, rounded up to whole tiles of the target and at most 65536; nil for
  /// as many as the panels' memory allows.
  public var blockRows: Int?
  /// Whether weights are packed once, before the kernel is called, or read as they are.
  public var packsWeights: Bool
  /// The most rows of a block if ``blockRows`` is nil: with more the weights' way from memory costs next
  /// to nothing.
  public var mostBlockRows: Int
  /// The bytes of panels that a block's rows may take then, unless one tile takes more.
  public var mostPanelBytes: Int
  /// How many steps ahead a tile asks for weights: far enough for memory to answer.
  public var weightStepsAhead: Int
  /// Bytes of an outer sum's factors that are gathered together, at least a tile's: they stay in a
  /// second-level cache.
  public var gatheredBytes: Int

  /// Creates a schedule.
  public init(
    blockRows: Int? = nil, packsWeights: Bool = true, mostBlockRows: Int = 112,
    mostPanelBytes: Int = 8 << 20, weightStepsAhead: Int = 64, gatheredBytes: Int = 256 << 10
  ) {
    self.blockRows = blockRows
    self.packsWeights = packsWeights
    self.mostBlockRows = mostBlockRows
    self.mostPanelBytes = mostPanelBytes
    self.weightStepsAhead = weightStepsAhead
    self.gatheredBytes = gatheredBytes
  }
}
