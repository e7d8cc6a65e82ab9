import NormGenIR

/// How a kernel is compiled: the knobs of its regions and of its matmuls; they change speed, never bits.
///
/// A schedule can be written down and read again, so that a search may try many.
public struct KernelSchedule: Hashable, Sendable, Codable {
  /// The knobs of regions that have none of their own; nil for those that suit each.
  public var region: Schedule?
  /// Regions' own knobs, by the region's name.
  public var regions: [String: Schedule]
  /// The knobs of the matmuls; nil for the defaults.
  public var matmul: MatmulSchedule?

  /// Creates a schedule; the compiler chooses what is left out.
  public init(
    region: Schedule? = nil, regions: [String: Schedule] = [:], matmul: MatmulSchedule? = nil
  ) {
    self.region = region
    self.regions = regions
    self.matmul = matmul
  }

  /// Checks that it means something for a plan.
  ///
  /// - Throws: ``ScheduleError``.
  public func verify(for plan: KernelPlan) throws(ScheduleError) {
    let names = plan.regions.map(\.graph.name)
    if let name = regions.keys.sorted().first(where: { !names.contains($0) }) {
      throw ScheduleError(.unknownRegion(name, known: names), kernel: plan.graph.name)
    }
    guard let matmul else { return }
    guard plan.hasSteps else { throw ScheduleError(.noMatmuls, kernel: plan.graph.name) }
    if let rows = matmul.chunkRows, !plan.totals.isEmpty {
      throw ScheduleError(.chunksOfSums(rows: rows), kernel: plan.graph.name)
    }
    if let name = matmul.products.keys.sorted().first(where: { !plan.weights.contains($0) }) {
      throw ScheduleError(.unknownWeights(name, known: plan.weights), kernel: plan.graph.name)
    }
  }
}

/// A schedule that means nothing for a kernel.
public struct ScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What a schedule may name or ask for in vain.
  public enum Reason: Hashable, Sendable {
    /// The kernel has no region of this name.
    case unknownRegion(String, known: [String])
    /// The kernel has no product with these weights.
    case unknownWeights(String, known: [String])
    /// The kernel has no matmuls.
    case noMatmuls
    /// Sums over rows fix the chunks themselves.
    case chunksOfSums(rows: Int)
  }

  /// What it names or asks for in vain.
  public let reason: Reason
  /// The kernel.
  public let kernel: String

  init(_ reason: Reason, kernel: String) {
    self.reason = reason
    self.kernel = kernel
  }

  public var description: String {
    let message =
      switch reason {
      case .unknownRegion(let name, let known):
        "a schedule names the region '\(name)'; known: \(known.joined(separator: ", "))"
      case .unknownWeights(let name, let known):
        "a schedule names a product with the weights '\(name)'; known: "
          + (known.isEmpty ? "none" : known.joined(separator: ", "))
      case .noMatmuls: "a schedule for matmuls is given, but it has none"
      case .chunksOfSums(let rows):
        "a schedule asks for chunks of \(rows) rows, but sums over rows are taken in blocks of "
          + "\(RowSumOrder.block)"
      }
    return "kernel '\(kernel)' cannot be scheduled: \(message)"
  }
}

/// The knobs of a region, and the strategy whose they are. The defaults of all knobs were measured.
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

  /// Creates a schedule.
  public init(
    strategy: String = "row_streaming", streamingBytes: Int? = defaultStreamingBytes,
    rowTile: Int = 1, prefetchesNextRow: Bool = true,
    keeping: KeepingSchedule = KeepingSchedule()
  ) {
    self.strategy = strategy
    self.streamingBytes = streamingBytes
    self.rowTile = rowTile
    self.prefetchesNextRow = prefetchesNextRow
    self.keeping = keeping
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

/// The knobs of a kernel's matmuls and of its sums over rows beside them.
public struct MatmulSchedule: Hashable, Sendable, Codable {
  /// The most rows of a chunk, rounded up to whole tiles of the target and at most 65536; nil for
  /// as many as the panels' memory allows.
  public var chunkRows: Int?
  /// Whether weights are packed once, before the kernel is called, or read as they are.
  public var packsWeights: Bool
  /// The most rows of a chunk if ``chunkRows`` is nil: with more the weights' way from memory costs next
  /// to nothing.
  public var mostChunkRows: Int
  /// The bytes of panels that a chunk's rows may take then, unless one tile takes more.
  public var mostPanelBytes: Int
  /// How many steps ahead a tile asks for weights: far enough for memory to answer.
  public var weightStepsAhead: Int
  /// Which of the target's tiles for an accumulation is taken, counted from 0.
  public var tile: Int
  /// Bytes of an outer sum's factors that are gathered together, at least a tile's: they stay in a
  /// second-level cache.
  public var gatheredBytes: Int
  /// Products' own knobs, by the name of their weights.
  public var products: [String: ProductSchedule]

  /// Creates a schedule.
  public init(
    chunkRows: Int? = nil, packsWeights: Bool = true, mostChunkRows: Int = 112,
    mostPanelBytes: Int = 8 << 20, weightStepsAhead: Int = 64, gatheredBytes: Int = 256 << 10,
    tile: Int = 0, products: [String: ProductSchedule] = [:]
  ) {
    self.tile = tile
    self.products = products
    self.chunkRows = chunkRows
    self.packsWeights = packsWeights
    self.mostChunkRows = mostChunkRows
    self.mostPanelBytes = mostPanelBytes
    self.weightStepsAhead = weightStepsAhead
    self.gatheredBytes = gatheredBytes
  }

  /// The knobs of the products with some weights.
  public func product(_ weights: String) -> ProductSchedule {
    products[weights]
      ?? ProductSchedule(
        packsWeights: packsWeights, weightStepsAhead: weightStepsAhead, tile: tile)
  }
}

/// The knobs that each of a kernel's products may have of its own.
public struct ProductSchedule: Hashable, Sendable, Codable {
  /// As ``MatmulSchedule/packsWeights``.
  public var packsWeights: Bool
  /// As ``MatmulSchedule/weightStepsAhead``.
  public var weightStepsAhead: Int
  /// As ``MatmulSchedule/tile``.
  public var tile: Int

  /// Creates a schedule.
  public init(packsWeights: Bool = true, weightStepsAhead: Int = 64, tile: Int = 0) {
    self.tile = tile
    self.packsWeights = packsWeights
    self.weightStepsAhead = weightStepsAhead
  }
}
