public import NormGen

/// A kernel on the same inputs for several targets and numbers of threads: each target judged by both
/// interpreters, and all bits compared.
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
    /// Where bits are wrong: what the lowered loops give for the first such call.
    public let loops: LoopCheck?

    /// Whether every bit is right and every value lies within its bound.
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

  /// The inputs of one call.
  public struct Call: Sendable {
    /// The number of rows.
    public let rows: Int
    /// A tensor for each input, by name.
    public let inputs: [String: HostTensor]

    /// Inputs of `rows` rows.
    public init(rows: Int, inputs: [String: HostTensor]) {
      self.rows = rows
      self.inputs = inputs
    }
  }

  /// The element of all targets and calls that came closest to its bound, and what led to it.
  public struct WorstElement: Sendable {
    /// The position of the target in ``TargetComparison/results``.
    public let target: Int
    /// The position of the call in ``TargetResult/checks``.
    public let call: Int
    /// The output.
    public let output: String
    /// The indices along the output's axes.
    public let indices: [Int]
    /// The element.
    public let element: Agreement.Worst
    /// The distance from the oracle in units in the last place of the output's type.
    public let ulps: Double
    /// The values on the way to it.
    public let trace: ElementTrace
  }

  /// The results, one for each target in the order given.
  public private(set) var results: [TargetResult] = []
  /// Where a target's bits differ from the first target's, or several threads' from one's.
  public private(set) var differences: [Difference] = []

  /// What came of the variations, target by target.
  public private(set) var variations: [VariationResult] = []
  /// The worst element; nil without elements.
  public private(set) var worst: WorstElement?
  /// The outputs that no call says anything of: nothing but NaN, or without a bound.
  public private(set) var unjudged: [String] = []

  /// Whether every target has the exact bits, lies inside the bounds, and all executions agree.
  public var passes: Bool {
    differences.isEmpty && results.allSatisfy(\.passes)
      && variations.allSatisfy(\.violations.isEmpty)
  }

  /// Runs and compares a kernel.
  ///
  /// - Parameters:
  ///   - graph: The kernel.
  ///   - targets: The instruction sets; each must run here or have its emulator installed.
  ///   - inputs: The inputs of each call.
  ///   - compiler: Compiles for each target in turn.
  ///   - threads: Numbers of threads to compare with one thread, on targets that run here; at least
  ///     one must.
  ///   - variations: Ways to execute the calls on each target whose bits are compared with the plain
  ///     calls'.
  ///   - progress: Told what begins.
  public init(
    of graph: Graph, targets: [Target], inputs: [Call], compiler: Compiler,
    threads: [Int] = [], variations: [Variation] = [], progress: (String) -> Void = { _ in }
  ) throws {
    let machines = try targets.map { try TargetMachine.of($0) }
    if let target = targets.first, let most = threads.max(), !machines.contains(.native) {
      throw TargetMachineError.threads(target: target, most)
    }
    let rows = inputs.map(\.rows)
    let references = try inputs.map { call in
      progress("\(graph.name): interpreters of \(call.rows) rows")
      return try ReferenceOutputs(of: graph, rows: call.rows, inputs: call.inputs)
    }
    var reference: (target: Target, outputs: [[String: HostTensor]])?
    for (target, machine) in zip(targets, machines) {
      progress("\(graph.name): \(target)")
      var compiler = compiler
      compiler.target = target
      let lowering = try compiler.lower(graph)
      let calls = inputs.map { KernelCall(lowering, rows: $0.rows, inputs: $0.inputs) }
      let outputs = try TargetMachine.outputs(of: calls, on: target, compiler: compiler)
      var checks: [KernelCheck] = []
      for (index, call) in calls.enumerated() {
        checks.append(try KernelCheck(call, outputs: outputs[index], reference: references[index]))
      }
      let compared = machine == .native ? threads : []
      results.append(
        TargetResult(
          target: target, machine: machine, checks: checks, threads: compared,
          loops: checks.firstIndex { $0.hasWrongBits }.map {
            LoopCheck(calls[$0], reference: references[$0], mostCost: Self.mostLoopCost)
          }))
      for count in compared {
        progress("\(graph.name): \(target) in \(count) threads")
        let shared = try TargetMachine.outputs(
          of: calls, on: target, compiler: compiler, threads: count)
        try compare(
          graph, rows, outputs, shared,
          executions: ["\(target)", "\(target) in \(count) threads"])
      }
      var varied = try VariationCheck(
        lowering, calls: inputs, expected: outputs, compiler: compiler)
      for variation in variations {
        progress("\(graph.name): \(target), \(variation.rawValue)")
        try varied.run(variation)
      }
      self.variations += varied.results
      differences += varied.differences
      if let reference {
        try compare(
          graph, rows, reference.outputs, outputs,
          executions: ["\(reference.target)", "\(target)"])
      } else {
        reference = (target, outputs)
      }
    }
    worst = try worstElement(graph, inputs)
    unjudged = KernelCheck.unjudged(results.first?.checks ?? [], of: graph)
  }

  /// About the operations on vectors that some seconds take.
  private static let mostLoopCost = 10_000_000

  private func worstElement(_ graph: Graph, _ calls: [Call]) throws -> WorstElement? {
    var found: (target: Int, call: Int, output: Int, element: Agreement.Worst)?
    for (target, result) in results.enumerated() {
      for (call, check) in result.checks.enumerated() {
        for (output, checked) in check.outputs.enumerated() {
          guard let element = checked.agreement.worst else { continue }
          if let found, found.element.ratio >= element.ratio { continue }
          found = (target, call, output, element)
        }
      }
    }
    guard let found else { return nil }
    let output = graph.outputs[found.output]
    let call = calls[found.call]
    let shape = graph[output.value].shape
    return WorstElement(
      target: found.target, call: found.call, output: output.name,
      indices: shape.indices(of: found.element.position), element: found.element,
      ulps: found.element.error == 0
        ? 0 : found.element.error / output.storage.ulp(at: found.element.oracle),
      trace: try ElementTrace(
        of: output, at: found.element.position, in: graph, rows: call.rows, inputs: call.inputs))
  }

  /// Notes where the outputs of two executions of all calls differ.
  private mutating func compare(
    _ graph: Graph, _ rows: [Int], _ first: [[String: HostTensor]],
    _ second: [[String: HostTensor]], executions: [String]
  ) throws(CallError) {
    for (rows, (first, second)) in zip(rows, zip(first, second)) {
      differences += try Difference.all(
        of: graph, rows: rows, executions: executions, first, second)
    }
  }
}

extension TargetComparison.Difference {
  /// The differences of the outputs of two executions of one call, one for each output whose bits
  /// differ.
  ///
  /// NaNs are equal whatever their payload, as for ``Agreement``.
  ///
  /// - Throws: `CallError` when an execution did not return an output.
  package static func all(
    of graph: Graph, rows: Int, executions: [String], _ first: [String: HostTensor],
    _ second: [String: HostTensor]
  ) throws(CallError) -> [TargetComparison.Difference] {
    var differences: [TargetComparison.Difference] = []
    for name in graph.outputs.map(\.name) {
      guard let left = first[name], let right = second[name] else {
        throw .missing(parameter: name)
      }
      let difference = OutputDifference(output: name, left, right)
      guard let element = difference.first else { continue }
      differences.append(
        TargetComparison.Difference(
          rows: rows, output: name, position: element.position, count: difference.differing,
          executions: executions, values: element.values))
    }
    return differences
  }
}
