/// A way to execute a kernel's calls that must not change a bit of their results.
public enum Variation: String, CaseIterable, Hashable, Sendable, Encodable {
  /// The rows of a call in calls of their own: alone, in pieces, and at other places.
  case batch
  /// Gaps between rows, which must stay as they are.
  case strides
  /// Buffers that begin at odd multiples of an element behind the beginning of a page.
  case alignments
  /// Every strategy that applies with all its knobs.
  case schedules
}

/// What came of a variation on a target.
public struct VariationResult: Hashable, Sendable {
  /// The variation.
  public let variation: Variation
  /// The instruction set.
  public let target: String
  /// The executions whose bits were compared with those of the plain calls.
  public internal(set) var executions = 0
  /// Executions that changed other memory than their outputs.
  public internal(set) var violations: [String] = []
  /// Why nothing was compared; nil if something was.
  public internal(set) var omission: Omission?

  /// Why a variation is none for a kernel or its calls.
  public enum Omission: Hashable, Sendable, CustomStringConvertible {
    /// Outputs depend on all rows of a call.
    case sumsOverRows
    /// No call has rows to take apart.
    case fewRows
    /// All schedules give the same C.
    case oneSchedule

    public var description: String {
      switch self {
      case .sumsOverRows: "the kernel sums over the rows of a call"
      case .fewRows: "no call has two rows"
      case .oneSchedule: "all schedules give the same C"
      }
    }
  }
}
