public import NormGen

/// What a kernel did that its contract forbids.
public struct FuzzFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The promise that was broken.
  public enum Kind: String, CaseIterable, Hashable, Sendable, Codable {
    /// The generator made a kernel that has no meaning.
    case graph
    /// The kernel's text form is not read back as the same kernel.
    case text
    /// The planner refused a kernel for no documented reason.
    case plan
    /// A later stage refused the kernel, or the C was not compiled.
    case compilation
    /// A call or the oracle refused its inputs.
    case call
    /// The lowered loops give other bits than the graph fixes, or touch what they may not.
    case loops
    /// An element does not have the bits that the graph fixes.
    case bits
    /// An element lies beyond the oracle's bound.
    case bound
    /// Several threads give other bits than one.
    case threads
  }

  /// The promise that was broken.
  public let kind: Kind
  /// The targets that show it; empty if none was reached.
  public let targets: [Target]
  /// The call that shows it; nil if none was reached.
  public let call: FuzzCall?
  /// What was found.
  public let message: String

  public var description: String {
    let place = targets.isEmpty ? "" : " (" + targets.map(\.name).joined(separator: ", ") + ")"
    return "\(kind.rawValue)\(place): \(message)"
  }

  /// Whether two failures may have the same cause, to tell so while a kernel is made smaller.
  package func isLike(_ other: FuzzFailure) -> Bool {
    guard kind == other.kind else { return false }
    switch kind {
    case .graph, .text, .loops, .bits, .bound, .threads: return true
    case .plan, .compilation, .call:
      return FuzzRefusal.reason(of: message) == FuzzRefusal.reason(of: other.message)
    }
  }
}

/// Kernels that the planner refuses as documented: they need to be cut in two, or written otherwise.
package enum FuzzRefusal {
  /// A part of each documented message.
  private static let documented = [
    "steps over rows of different lengths need kernels of their own",
    "which is known when the last row is done",
    "a statistic is taken of one number per row",
    "take them before the row is reshaped",
    "a computed value without rows",
    "give it one axis after rows by reshaping",
    "one kernel sees a row one way",
    "and along those axes they do not fit",
    "is used along its new axes, but only whole rows can be",
    "one of them must have the shape of the product",
  ]

  /// The documented reason; nil if there is none.
  static func documentedReason(of error: PlanError) -> String? {
    documented.contains(where: error.message.contains) ? reason(of: error.message) : nil
  }

  /// A message without its names, shapes and numbers.
  package static func reason(of message: String) -> String {
    // A compiler quotes the kernel's own text in further lines.
    let first = message.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    var text = first.replacing(/'[^']*'/, with: "'…'")
    text = text.replacing(/\[[^\]]*\]/, with: "[…]")
    return text.replacing(/needs .*, which is known/, with: "needs …, which is known")
      .replacing(/\d+/, with: "n")
  }
}
