import NormGenIR
public import NormGenLoops

/// A way to turn a region into loops.
///
/// Strategies differ in speed only; the region fixes what is computed and in which order sums
/// are formed.
public protocol Strategy: Sendable {
  /// The name that a schedule chooses it by.
  var name: String { get }
  /// One sentence for `explain`.
  var summary: String { get }
  /// Whether the strategy can lower `region` for `target`.
  func applies(to region: Region, target: Target) -> Bool
  /// The knobs that suit `region`, measured; a caller's own schedule takes their place.
  func schedule(for region: Region, target: Target) -> Schedule
  /// The schedules that a search or a check of bits tries, those knobs among them.
  func space(for region: Region, target: Target) -> ScheduleSpace<Schedule>
  /// The loops.
  func lowered(
    _ region: Region, schedule: Schedule, target: Target
  ) throws(PlanError) -> RowProgram
}

extension Strategy {
  /// The default knobs under the strategy's name.
  public func schedule(for region: Region, target: Target) -> Schedule {
    Schedule(strategy: name)
  }

  /// The strategy's choice alone.
  public func space(for region: Region, target: Target) -> ScheduleSpace<Schedule> {
    ScheduleSpace(schedule(for: region, target: target))
  }
}

/// The strategies that come with the compiler, the preferred first.
public enum Strategies {
  /// All of them.
  public static let all: [any Strategy] = [RowStreaming()]
}
