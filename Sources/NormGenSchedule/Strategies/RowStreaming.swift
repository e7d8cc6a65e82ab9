import NormGenIR
public import NormGenLoops

/// Runs over each row once a pass; between passes the row stays in the first-level cache.
public struct RowStreaming: Strategy {
  /// Creates the strategy.
  public init() {}

  public let name = "row_streaming"
  public let summary = "each pass reads the row from memory or cache"

  public func applies(to region: Region, target: Target) -> Bool { true }

  public func lowered(
    _ region: Region, schedule: Schedule, target: Target
  ) throws(PlanError) -> LoopKernel {
    var lowering = RowLowering(
      region: region, schedule: schedule, target: target, keepsRowResident: false)
    return try lowering.kernel(summary: summary)
  }
}
