public import NormGen

/// A kernel on the same seeded inputs for several targets: each judged by the oracle, and their
/// bits compared with each other.
public struct TargetComparison: Sendable {
  /// The checks of one target.
  public struct TargetResult: Sendable {
    /// The instruction set.
    public let target: Target
    /// What executed it.
    public let machine: TargetMachine
    /// One for each number of rows, in the order given.
    public let checks: [KernelCheck]

    /// Whether every element lies inside its bound.
    public var passes: Bool { checks.allSatisfy(\.passes) }
  }

  /// The first element that two targets disagree on.
  public struct Difference: Hashable, Sendable, CustomStringConvertible {
    /// The number of rows of the call.
    public let rows: Int
    /// The output.
    public let output: String
    /// The row-major position in the output.
    public let position: Int
    /// How many elements differ.
    public let count: Int
    /// The targets.
    public let targets: [Target]
    /// What each of them wrote.
    public let values: [Double]

    public var description: String {
      let pairs = zip(targets, values).map { "\($0): \($1)" }.joined(separator: ", ")
      return "rows \(rows), output '\(output)': \(count) elements differ in bits, first at "
        + "\(position): \(pairs)"
    }
  }

  /// The results, one for each target in the order given.
  public private(set) var results: [TargetResult] = []
  /// Where a target's bits differ from the first target's.
  public private(set) var differences: [Difference] = []

  /// Whether every target lies inside the bounds and all have the same bits.
  public var passes: Bool { differences.isEmpty && results.allSatisfy(\.passes) }

  /// Runs and compares a kernel.
  ///
  /// - Parameters:
  ///   - graph: The kernel.
  ///   - targets: The instruction sets; each must run here or have its emulator installed.
  ///   - rows: The numbers of rows to call it with.
  ///   - seed: The seed of the inputs.
  ///   - compiler: Compiles for each target in turn.
  ///   - progress: Told what begins.
  public init(
    of graph: Graph, targets: [Target], rows: [Int], seed: UInt64, compiler: Compiler,
    progress: (String) -> Void = { _ in }
  ) throws {
    let machines = try targets.map { try TargetMachine.of($0) }
    var inputs: [[String: HostTensor]] = []
    var oracles: [[[Bounded]]] = []
    for rows in rows {
      progress("\(graph.name): oracle of \(rows) rows")
      let tensors = try RandomInputs.tensors(for: graph, rows: rows, seed: seed)
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
      results.append(TargetResult(target: target, machine: machine, checks: checks))
      if let reference {
        let pairs = zip(reference.outputs, outputs)
        for (rows, (first, second)) in zip(rows, pairs) {
          differences += graph.outputs.compactMap { output in
            Difference(
              rows: rows, output: output.name, targets: [reference.target, target],
              first[output.name], second[output.name])
          }
        }
      } else {
        reference = (target, outputs)
      }
    }
  }
}

extension TargetComparison.Difference {
  /// The difference of two outputs; nil if their bits are the same.
  ///
  /// NaNs are equal whatever their payload, as for ``Agreement``.
  fileprivate init?(
    rows: Int, output: String, targets: [Target], _ first: HostTensor?, _ second: HostTensor?
  ) {
    guard let first, let second else { return nil }
    var position: Int?
    var count = 0
    for index in 0..<min(first.count, second.count) {
      let (left, right) = (first[index], second[index])
      if left.bitPattern == right.bitPattern || (left.isNaN && right.isNaN) { continue }
      count += 1
      if position == nil { position = index }
    }
    guard let position else { return nil }
    self.init(
      rows: rows, output: output, position: position, count: count, targets: targets,
      values: [first[position], second[position]])
  }
}
