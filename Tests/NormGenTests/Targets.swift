import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Kernels of one meaning on every target that has a machine here.
enum Targets {
  /// The targets that run here, native or emulated; the first is judged by the oracle.
  static let usable = Target.all.filter { (try? TargetMachine.of($0)) != nil }
  static let native = Target.all.filter { HostCPU.current.supports($0) }

  /// Whether a sweep over everything was asked for.
  static let sweeps = testEnvironment["NORMGEN_SWEEP"] == "1"

  /// A graph with the inputs of one call.
  struct Call {
    let graph: Graph
    let rows: Int
    let inputs: [String: HostTensor]
  }

  /// Executes the calls on every usable target; the first one's outputs lie within the oracle's
  /// bound and all others have the same bits.
  ///
  /// - Parameters:
  ///   - bounded: Whether every element must have a bound that says something.
  ///   - targets: The targets, all usable ones by default.
  static func check(
    _ calls: [Call], bounded: Bool, seed: UInt64 = 0, targets: [Target] = usable
  ) throws {
    var first: [[String: HostTensor]] = []
    for target in targets {
      let compiler = Compiler(target: target)
      var lowerings: [Graph: Lowering] = [:]
      let kernelCalls = try calls.map { call in
        let lowering = try lowerings[call.graph] ?? compiler.lower(call.graph)
        lowerings[call.graph] = lowering
        return KernelCall(lowering, rows: call.rows, inputs: call.inputs)
      }
      let outputs = try TargetMachine.outputs(of: kernelCalls, on: target, compiler: compiler)
      if first.isEmpty {
        first = outputs
        try judge(kernelCalls, outputs, bounded: bounded, seed: seed)
        continue
      }
      for (index, call) in calls.enumerated() {
        guard let difference = firstDifference(first[index], outputs[index]) else { continue }
        Issue.record(
          "\(targets[0]) and \(target) differ, seed \(seed), \(call.rows) rows: \(difference)\n\(call.graph)"
        )
      }
    }
  }

  private static func judge(
    _ calls: [KernelCall], _ outputs: [[String: HostTensor]], bounded: Bool, seed: UInt64
  ) throws {
    for (call, output) in zip(calls, outputs) {
      let check = try KernelCheck(call, outputs: output)
      for result in check.outputs {
        let elements = output[result.name]?.count ?? 0
        #expect(result.agreement.count == elements)
        if bounded { #expect(result.agreement.vacuous == 0) }
        if !result.agreement.passes {
          Issue.record(
            "'\(result.name)', seed \(seed), \(call.rows) rows: \(result.agreement)\n\(call.lowering.graph)"
          )
        }
      }
    }
  }
}
