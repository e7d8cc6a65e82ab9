public import NormGenC
public import NormGenIR
public import NormGenJIT
public import NormGenLoops
public import NormGenSchedule

/// Why a kernel could not be compiled, by stage.
public enum CompilerError: Error, Sendable, CustomStringConvertible {
  /// The kernel has no meaning.
  case graph(GraphError)
  /// The kernel can't be planned.
  case plan(PlanError)
  /// The schedule means nothing for the kernel.
  case schedule(ScheduleError)
  /// The planner made a wrong region: a defect of the planner.
  case region(RegionError)
  /// A strategy made wrong loops: a defect of the strategy.
  case loops(LoopError)
  /// A template does not fit the emitter: a defect of either.
  case template(TemplateError)
  /// The in-process compiler failed or is missing.
  case jit(JITError)
  /// An environment variable has a value that means nothing.
  case environment(variable: String, expected: String, found: String)
  /// No target has this name.
  case unknownTarget(String)
  /// The target's code does not run on this processor.
  case targetNotRunnable(Target, HostCPU)

  public var description: String {
    switch self {
    case .graph(let error): error.description
    case .plan(let error): error.description
    case .schedule(let error): error.description
    case .region(let error): error.description
    case .loops(let error): error.description
    case .template(let error): error.description
    case .jit(let error): String(describing: error)
    case .environment(let variable, let expected, let found):
      "the environment variable \(variable): expected \(expected), found '\(found)'"
    case .unknownTarget(let name):
      "no target is named '\(name)'; known: host, "
        + Target.all.map(\.name).joined(separator: ", ")
    case .targetNotRunnable(let target, let cpu):
      "kernels for '\(target)' do not run on this \(cpu.architecture) processor: it lacks "
        + target.missing(on: cpu)
    }
  }
}

extension Target {
  fileprivate func missing(on cpu: HostCPU) -> String {
    if let architecture, architecture != cpu.architecture {
      return "the \(architecture) instructions"
    }
    return requiredFeatures.filter { !cpu.features.contains($0) }.joined(separator: ", ")
  }
}
