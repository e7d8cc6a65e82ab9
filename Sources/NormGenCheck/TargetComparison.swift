public import NormGen

/// A kernel on the same seeded inputs for several targets and numbers of threads: each target judged
/// by the oracle, and all bits compared.
public struct TargetComparison: Sendable {
  /// The checks of one target.
  public struct TargetResult: Sendable {
    /// The instruction set.
    public let target: Target
    /// What executed it.
    public let machine: TargetMachine
    /// One for each number of rows, in the order given.
    public let checks: [KernelCheck]
    /// The numbers of threads whose bits were compared with one thread's; none if it is emulated.
    public let threads: [Int]

    /// Whether every element lies inside its bound.
    public var passes: Bool { checks.allSatisfy(\.passes) }
  }

  /// The first element that two executions disagree on.
  public struct Difference: Hashable, Sendable, CustomStringConvertible {
    /// The number of rows of the call.
    public let rows: Int
    /// The output.
    public let output: String
    /// The row-major position in the output.
    public let position: Int
    /// How many elements differ.
    public let count: Int
    /// The executions, such as "avx2" and "avx2 in 3 threads".
    public let executions: [String]
    /// What each of them wrote.
    public let values: [Double]

    public var description: String {
      let pairs = zip(executions, values).map { "\($0): \($1)" }.joined(separator: ", ")
      return "rows \(rows), output '\(output)': \(count) elements differ in bits, first at "
        + "\(position): \(pairs)"
    }
  }

  /// The results, one for each target in the order given.
  public private(set) var results: [TargetResult] = []
  /// Where a target's bits differ from the first target's, or several threads' from one's.
  public private(set) var differences: [Difference] = []

  /// Whether every target lies inside the bounds and all executions have the same bits.
  public var passes: Bool { differences.isEmpty && results.allSatisfy(\.passes) }

  /// Runs and compares a kernel.
  ///
  /// - Parameters:
  ///   - graph: The kernel.
  ///   - targets: The instruction sets; each must run here or have its emulator installed.
  ///   - rows: The numbers of rows to call it with.
  ///   - seed: The seed of the inputs.
  ///   - compiler: Compiles for each target in turn.
  ///   - threads: Numbers of threads to compare with one thread, on targets that run here; at least
  ///     one must.
  ///   - special: Inputs of one more call, whose rows hold special values.
  ///   - progress: Told what begins.
  public init(
    of graph: Graph, targets: [Target], rows: [Int], seed: UInt64, compiler: Compiler,
    threads: [Int] = [], special: SpecialRows? = nil, progress: (String) -> Void = { _ in }
  ) throws {
    let machines = try targets.map { try TargetMachine.of($0) }
    if let target = targets.first, let most = threads.max(), !machines.contains(.native) {
      throw TargetMachineError.threads(target: target, most)
    }
    var inputs: [[String: HostTensor]] = []
    var oracles: [[[Bounded]]] = []
    let calls: [(rows: Int, inputs: [String: HostTensor]?)] =
      rows.map { ($0, nil) } + (special.map { [($0.count, $0.inputs)] } ?? [])
    let rows = calls.map(\.rows)
    for call in calls {
      let rows = call.rows
      progress("\(graph.name): oracle of \(rows) rows")
      let tensors = try call.inputs ?? RandomInputs.tensors(for: graph, rows: rows, seed: seed)
      inputs.append(tensors)
      oracles.append(try GraphInterpreter.outputs(of: graph, rows: rows, inputs: tensors))
    }
    var reference: (target: Target, outputs: [[String: HostTensor]])?
    for (target, machine) in zip(targets, machines) {
      progress("\(graph.name): \(target)")
      var compiler = compiler
      compiler.target = target
      let lowering = try compiler.lower(graph)
      let calls = zip(rows, inputs).map { KernelCall(lowering, rows: $0, inputs: $1) }
      let outputs = try TargetMachine.outputs(of: calls, on: target, compiler: compiler)
      var checks: [KernelCheck] = []
      for (index, call) in calls.enumerated() {
        checks.append(try KernelCheck(call, outputs: outputs[index], oracle: oracles[index]))
      }
      let compared = machine == .native ? threads : []
      results.append(
        TargetResult(target: target, machine: machine, checks: checks, threads: compared))
      for count in compared {
        progress("\(graph.name): \(target) in \(count) threads")
        let shared = try TargetMachine.outputs(
          of: calls, on: target, compiler: compiler, threads: count)
        compare(
          graph, rows, outputs, shared,
          executions: ["\(target)", "\(target) in \(count) threads"])
      }
      if let reference {
        compare(
          graph, rows, reference.outputs, outputs,
          executions: ["\(reference.target)", "\(target)"])
      } else {
        reference = (target, outputs)
      }
    }
  }

  /// Notes where the outputs of two executions of all calls differ.
  private mutating func compare(
    _ graph: Graph, _ rows: [Int], _ first: [[String: HostTensor]],
    _ second: [[String: HostTensor]], executions: [String]
  ) {
    for (rows, (first, second)) in zip(rows, zip(first, second)) {
      differences += graph.outputs.compactMap { output in
        Difference(
          rows: rows, output: output.name, executions: executions, first[output.name],
          second[output.name])
      }
    }
  }
}

extension TargetComparison.Difference {
  /// The difference of two outputs; nil if their bits are the same.
  ///
  /// NaNs are equal whatever their payload, as for ``Agreement``.
  init?(
    rows: Int, output: String, executions: [String], _ first: HostTensor?, _ second: HostTensor?
  ) {
    guard let first, let second else { return nil }
    let difference = OutputDifference(output: output, first, second)
    guard let element = difference.first else { return nil }
    self.init(
      rows: rows, output: output, position: element.position, count: difference.differing,
      executions: executions, values: element.values)
  }
}
