import NormGenIR
public import NormGenLoops

/// Runs over each row once a pass; between passes the row stays in the first-level cache.
public struct RowStreaming: Strategy {
  /// Creates the strategy.
  public init() {}

  public let name = "row_streaming"
  public let summary = "each pass reads the row from memory or cache"

  public func applies(to region: Region, target: Target) -> Bool { true }

  /// Rows are handled together where loading what they share costs as much as the row itself: two
  /// Float32 parameters, or one of a type that must be widened. Short rows leave the processor free
  /// to wait for memory, so that writing through the caches is as fast until they overflow.
  public func schedule(for region: Region, target: Target) -> Schedule {
    let graph = region.graph
    var shared = (whole: 0, half: 0)
    for id in graph.inputs where region.roles[id.index] == .row && !graph[id].shape.hasRows {
      guard case .input(_, let storage) = graph[id].op else { continue }
      if storage == .f32 { shared.whole += 1 } else { shared.half += 1 }
    }
    var schedule = Schedule(strategy: name)
    let addsRows = graph.outputs.contains { output in
      graph.isOverRows(output.value) && region.roles[output.value.index] == .row
    }
    // A sum over rows is loaded and stored for every tile.
    schedule.rowTile = shared.half > 0 || addsRows ? 4 : shared.whole > 1 ? 2 : 1
    if region.rowExtent <= RowStreaming.shortRow {
      schedule.streamingBytes = 4 * Schedule.defaultStreamingBytes
    }
    return schedule
  }

  public func space(for region: Region, target: Target) -> ScheduleSpace<Schedule> {
    let base = schedule(for: region, target: target)
    var knobs: [Knob<Schedule>] = []
    if target.hasStreamingStores {
      knobs.append(
        Knob("streaming_bytes", \.streamingBytes, [base.streamingBytes, nil, 0]))
    }
    guard region.passes.count > 1 else { return ScheduleSpace(base, knobs: knobs) }
    if region.outerExtents.isEmpty {
      let tiles = [1, 2, 3, 4, 8].filter { $0 != base.rowTile }
      knobs += [
        Knob("row_tile", \.rowTile, [base.rowTile] + tiles),
        Knob("prefetches_next_row", \.prefetchesNextRow, [true, false]),
      ]
    }
    knobs += [
      Knob("least_output_cost", \.keeping.leastOutputCost, [base.keeping.leastOutputCost, 0]),
      Knob("least_scratch_cost", \.keeping.leastScratchCost, [base.keeping.leastScratchCost, 0]),
    ]
    return ScheduleSpace(base, knobs: knobs)
  }

  /// In elements; measured.
  private static let shortRow = 256

  public func lowered(
    _ region: Region, schedule: Schedule, target: Target
  ) throws(PlanError) -> RowProgram {
    var lowering = RowLowering(region: region, schedule: schedule, target: target)
    return try lowering.rowProgram(summary: summary)
  }
}
