import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Kernels of one meaning on every target that has a machine here.
enum Targets {
  /// The targets that run here, native or emulated; the first is judged by the oracle.
  static let usable = Target.general.filter { (try? TargetMachine.of($0)) != nil }
  static let native = Target.general.filter { HostCPU.current.supports($0) }

  /// Whether a sweep over everything was asked for.
  static let sweeps = testEnvironment["NORMGEN_SWEEP"] == "1"

  /// A graph with the inputs of one call.
  struct Call {
    let graph: Graph
    let rows: Int
    let inputs: [String: HostTensor]
  }

  /// Executes the calls on every usable target; all have the exact interpreter's bits and lie within
  /// the oracle's bounds.
  ///
  /// - Parameters:
  ///   - bounded: Whether every element must have a bound that says something.
  ///   - targets: The targets, all usable ones by default.
  static func check(
    _ calls: [Call], bounded: Bool, seed: UInt64 = 0, targets: [Target] = usable
  ) throws {
    let references = try calls.map { call in
      try ReferenceOutputs(of: call.graph, rows: call.rows, inputs: call.inputs)
    }
    for target in targets {
      let compiler = Compiler(target: target)
      var lowerings: [Graph: Lowering] = [:]
      let kernelCalls = try calls.map { call in
        let lowering = try lowerings[call.graph] ?? compiler.lower(call.graph)
        lowerings[call.graph] = lowering
        return KernelCall(lowering, rows: call.rows, inputs: call.inputs)
      }
      let outputs = try TargetMachine.outputs(of: kernelCalls, on: target, compiler: compiler)
      for (index, call) in kernelCalls.enumerated() {
        let check = try KernelCheck(call, outputs: outputs[index], reference: references[index])
        judge(check, call, outputs[index], bounded: bounded, seed: seed)
      }
    }
  }

  private static func judge(
    _ check: KernelCheck, _ call: KernelCall, _ outputs: [String: HostTensor], bounded: Bool,
    seed: UInt64
  ) {
    for result in check.outputs {
      let elements = outputs[result.name]?.count ?? 0
      #expect(result.agreement.count == elements && result.judgement.exact.count == elements)
      if bounded { #expect(result.agreement.vacuous == 0) }
      guard !result.judgement.passes else { continue }
      Issue.record(
        """
        '\(result.name)' on \(call.lowering.target), seed \(seed), \(call.rows) rows: \
        \(result.judgement.exact); \(result.agreement)
        \(call.lowering.graph)
        """)
    }
  }
}
