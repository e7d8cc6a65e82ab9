private import Foundation

/// Every switch for looking inside the compiler, and the environment variables that set them.
public struct CompilerTrace: Sendable {
  /// `NORMGEN_TARGET`: the target's name instead of the host's best.
  public var target: String?
  /// `NORMGEN_KEEP`: a directory that receives the sources and objects of compiled kernels.
  public var keepDirectory: String?
  /// `NORMGEN_SEED`: the seed of random inputs.
  public var seed: UInt64?
  /// `NORMGEN_STRATEGY`: the strategy's name instead of the planner's choice.
  public var strategy: String?
  /// `NORMGEN_VERIFY=0`: leaves out the verifiers of the stages.
  public var verifies: Bool
  /// Receives a sentence for each thing that went wrong without harm, such as an entry of the disk
  /// cache that could not be used. The commands print them on standard error.
  public var notice: (@Sendable (String) -> Void)?

  /// Switches that are all off, with verification.
  public init() {
    self.verifies = true
  }

  /// The switches of this process's environment.
  ///
  /// - Throws: ``CompilerError/environment(variable:expected:found:)``.
  public static func fromEnvironment() throws(CompilerError) -> CompilerTrace {
    try fromEnvironment(ProcessInfo.processInfo.environment)
  }

  /// The switches of an environment.
  ///
  /// - Throws: ``CompilerError/environment(variable:expected:found:)``.
  public static func fromEnvironment(
    _ environment: [String: String]
  ) throws(CompilerError) -> CompilerTrace {
    func value(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    var trace = CompilerTrace()
    trace.target = value("NORMGEN_TARGET")
    trace.keepDirectory = value("NORMGEN_KEEP")
    if let seed = value("NORMGEN_SEED") {
      guard let number = UInt64(seed) else {
        throw .environment(
          variable: "NORMGEN_SEED", expected: "a whole number below 2^64", found: seed)
      }
      trace.seed = number
    }
    trace.strategy = value("NORMGEN_STRATEGY")
    switch value("NORMGEN_VERIFY") {
    case nil, "1": trace.verifies = true
    case "0": trace.verifies = false
    case let other?:
      throw .environment(variable: "NORMGEN_VERIFY", expected: "0 or 1", found: other)
    }
    return trace
  }
}

extension CompilerTrace {
  /// Gives notice of an entry of the cache that had to be compiled again.
  func report(_ status: CompiledKernel.CacheStatus, of name: String) {
    switch status {
    case .rebuilt(let damage):
      notice?("the cache's entry of '\(name)' \(damage); it was compiled again")
    case .hit, .compiled, .disabled, .loaded: break
    }
  }
}
