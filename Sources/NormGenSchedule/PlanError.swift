public import NormGenIR
import NormGenLoops

/// A graph that no kernel can be planned for.
public struct PlanError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kernel.
  public let kernel: String
  /// What stands in the way.
  public let reason: String
  /// What can be done about it, if that is known.
  public let remedy: String?
  /// Where the value that stands in the way was written, if known.
  public let location: SourceLocation?

  /// What stands in the way, and what can be done about it.
  public var message: String { reason + (remedy.map { "; \($0)" } ?? "") }

  /// Creates an error.
  public init(kernel: String, message: String, at location: SourceLocation? = nil) {
    self.init(kernel: kernel, reason: message, remedy: nil, at: location)
  }

  init(kernel: String, reason: String, remedy: String?, at location: SourceLocation?) {
    self.kernel = kernel
    self.reason = reason
    self.remedy = remedy
    self.location = location
  }

  /// The error of a value of `graph`, at the place where it was written.
  init(at id: ValueID, in graph: Graph, _ reason: String, remedy: String? = nil) {
    self.init(kernel: graph.name, reason: reason, remedy: remedy, at: graph.location(of: id))
  }

  /// The error of a part of a kernel as the kernel's own.
  public func of(kernel: String) -> PlanError {
    PlanError(kernel: kernel, reason: reason, remedy: remedy, at: location)
  }

  /// A kernel whose loops have more statements than ``LoopProgram/mostStatements``.
  public static func tooManyStatements(_ count: Int, kernel: String) -> PlanError {
    PlanError(
      kernel: kernel,
      message: "its loops would have \(count) statements, and a kernel has at most "
        + "\(LoopProgram.mostStatements); divide its values among several kernels")
  }

  public var description: String {
    (location.map { "\($0): " } ?? "") + "kernel '\(kernel)' cannot be planned: \(message)"
  }
}

extension GraphPrinter {
  /// A value as an error names it: its name, or its definition if that is short.
  func label(of id: ValueID, in graph: Graph) -> String {
    if let name = graph[id].inputName ?? graph[id].name { return "'\(name)'" }
    let definition = definition(of: id)
    let longest = 60
    return definition.count > longest ? "'\(definition.prefix(longest))…'" : "'\(definition)'"
  }
}
