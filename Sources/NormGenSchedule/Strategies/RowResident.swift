import NormGenIR
public import NormGenLoops

/// Widens a short row once and keeps it in registers between the passes.
public struct RowResident: Strategy {
  /// Creates the strategy.
  public init() {}

  public let name = "row_resident"
  public let summary = "the row is read once and stays in registers"

  public func applies(to region: Region, target: Target) -> Bool {
    region.passes.count > 1 && region.rowExtent <= 16 * target.lanes
  }

  /// Rows in registers leave the processor free to wait for memory: writing through the caches is
  /// as fast until the outputs outgrow them.
  public func schedule(for region: Region, target: Target) -> Schedule {
    Schedule(strategy: name, streamingBytes: 4 * Schedule.defaultStreamingBytes)
  }

  public func lowered(
    _ region: Region, schedule: Schedule, target: Target
  ) throws(PlanError) -> LoopKernel {
    var lowering = RowLowering(
      region: region, schedule: schedule, target: target, keepsRowResident: true)
    return try lowering.kernel(summary: summary)
  }
}
