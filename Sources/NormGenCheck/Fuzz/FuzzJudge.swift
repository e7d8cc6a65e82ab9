public import NormGen

/// Judges kernels by all that their contract promises: the text form, the oracle's bound, and the same
/// bits on every target, with every schedule and in several threads.
public struct FuzzJudge: Sendable {
  /// The instruction sets; the first is judged by the oracle, the others by its bits.
  public let targets: [Target]
  /// The threads that share each call once more.
  public let threads: Int
  private let compiler: Compiler
  private let machines: [TargetMachine]
  /// C to compile in place of the emitted text: how tests plant a defect.
  package var edited: (@Sendable (Lowering) -> String?)?

  /// What came of a kernel.
  public enum Verdict: Sendable {
    /// Everything held.
    case passed(FuzzFigures)
    /// The planner refuses such kernels.
    case refused(reason: String)
    /// A promise was broken.
    case failed(FuzzFailure)
  }

  /// A judge of kernels for `targets`; nothing is written to the cache of compiled objects.
  ///
  /// - Throws: ``TargetMachineError`` when a target has no machine here, `CompilerError` when nothing
  ///   can be compiled.
  public init(targets: [Target], compiler: Compiler, threads: Int = 3) throws {
    self.targets = targets
    self.threads = threads
    var compiler = compiler
    // Thousands of kernels that nobody calls again.
    compiler.cache = .none
    self.compiler = compiler
    self.machines = try targets.map { try TargetMachine.of($0) }
    let x = Tensor.input("x", [.rows, 1], .f32)
    for (target, machine) in zip(targets, machines) where machine == .native {
      var compiler = compiler
      compiler.target = target
      _ = try compiler.compile(Kernel("probe", x + x))
    }
  }

  /// Judges the kernel of a seed.
  public func verdict(seed: UInt64) -> Verdict {
    do throws(GraphError) {
      return verdict(try FuzzCase(seed: seed))
    } catch {
      return .failed(FuzzFailure(kind: .graph, targets: [], rows: nil, message: "\(error)"))
    }
  }

  /// Judges a kernel.
  public func verdict(_ fuzzCase: FuzzCase) -> Verdict {
    verdict(fuzzCase, targets: Array(targets.indices))
  }

  /// Judges a kernel on some of the targets, each with its own schedule.
  func verdict(_ fuzzCase: FuzzCase, targets chosen: [Int]) -> Verdict {
    do throws(Stop) {
      try checkText(of: fuzzCase.graph)
      let inputs = try inputs(of: fuzzCase)
      var figures = FuzzFigures()
      var first: (target: Target, outputs: [[String: HostTensor]])?
      for index in chosen {
        let target = targets[index]
        let outputs = try outputs(of: fuzzCase, inputs, index, &figures)
        if let first {
          try compare(
            fuzzCase, first.outputs, outputs, kind: .targets, [first.target, target])
        } else {
          try judge(fuzzCase, inputs, outputs, target, &figures)
          first = (target, outputs)
        }
      }
      return .passed(figures)
    } catch {
      switch error {
      case .refused(let reason): return .refused(reason: reason)
      case .failed(let failure): return .failed(failure)
      }
    }
  }

  /// Why a kernel is not judged further.
  private enum Stop: Error {
    case refused(String)
    case failed(FuzzFailure)

    static func failed(
      _ kind: FuzzFailure.Kind, _ targets: [Target], rows: Int? = nil, _ message: String
    ) -> Stop {
      .failed(FuzzFailure(kind: kind, targets: targets, rows: rows, message: message))
    }
  }

  private func checkText(of graph: Graph) throws(Stop) {
    let again: [Graph]
    do {
      again = try GraphParser.graphs(in: "\(graph)")
    } catch {
      throw .failed(.text, [], "\(error)")
    }
    guard again == [graph] else {
      throw .failed(.text, [], "the kernel that is read back prints \(again)")
    }
  }

  private func lowered(_ fuzzCase: FuzzCase, _ index: Int) throws(Stop) -> Lowering {
    var compiler = compiler
    compiler.target = targets[index]
    if var schedule = fuzzCase.schedules[index % max(fuzzCase.schedules.count, 1)] {
      schedule.strategy = compiler.trace.strategy ?? compiler.strategies.first?.name ?? ""
      compiler.schedule = schedule
    }
    do {
      return try compiler.lower(fuzzCase.graph)
    } catch .plan(let error) {
      if let reason = FuzzRefusal.documentedReason(of: error) { throw .refused(reason) }
      throw .failed(.plan, [targets[index]], error.message)
    } catch {
      throw .failed(.compilation, [targets[index]], "\(error)")
    }
  }

  /// The outputs of all calls on one target, the same in several threads.
  private func outputs(
    of fuzzCase: FuzzCase, _ inputs: [[String: HostTensor]], _ index: Int,
    _ figures: inout FuzzFigures
  ) throws(Stop) -> [[String: HostTensor]] {
    let target = targets[index]
    let lowering = try lowered(fuzzCase, index)
    guard machines[index] == .native else {
      let calls = zip(fuzzCase.rows, inputs).map { KernelCall(lowering, rows: $0, inputs: $1) }
      figures.calls += calls.count
      do {
        return try TargetMachine.outputs(of: calls, on: target, compiler: compiler)
      } catch {
        throw .failed(.call, [target], "\(error)")
      }
    }
    let kernel: CompiledKernel
    do {
      kernel = try compiler.compile(lowering, source: edited?(lowering))
    } catch {
      throw .failed(.compilation, [target], "\(error)")
    }
    var alone: [[String: HostTensor]] = []
    var shared: [[String: HostTensor]] = []
    for (rows, inputs) in zip(fuzzCase.rows, inputs) {
      do {
        alone.append(try kernel(inputs))
        shared.append(try kernel(inputs, threads: threads))
      } catch {
        throw .failed(.call, [target], rows: rows, "\(error)")
      }
      figures.calls += 2
    }
    try compare(fuzzCase, alone, shared, kind: .threads, [target])
    return alone
  }

  /// The inputs of each call.
  private func inputs(of fuzzCase: FuzzCase) throws(Stop) -> [[String: HostTensor]] {
    var inputs: [[String: HostTensor]] = []
    for rows in fuzzCase.rows {
      do {
        inputs.append(
          try RandomInputs.tensors(for: fuzzCase.graph, rows: rows, seed: fuzzCase.seed))
      } catch {
        throw .failed(.call, [], rows: rows, "\(error)")
      }
    }
    return inputs
  }

  /// Compares the first target's outputs with the oracle's.
  private func judge(
    _ fuzzCase: FuzzCase, _ inputs: [[String: HostTensor]], _ outputs: [[String: HostTensor]],
    _ target: Target, _ figures: inout FuzzFigures
  ) throws(Stop) {
    let graph = fuzzCase.graph
    for (rows, (inputs, outputs)) in zip(fuzzCase.rows, zip(inputs, outputs)) {
      let oracle: [[Bounded]]
      do {
        oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
      } catch {
        throw .failed(.call, [target], rows: rows, "the oracle: \(error)")
      }
      for (output, expected) in zip(graph.outputs, oracle) {
        guard let tensor = outputs[output.name] else { continue }
        let agreement = Agreement(kernel: tensor, oracle: expected)
        guard agreement.passes else {
          throw .failed(
            .bound, [target], rows: rows, "rows \(rows), output '\(output.name)': \(agreement)")
        }
        figures.add(agreement, seed: fuzzCase.seed)
      }
    }
  }

  private func compare(
    _ fuzzCase: FuzzCase, _ first: [[String: HostTensor]], _ second: [[String: HostTensor]],
    kind: FuzzFailure.Kind, _ involved: [Target]
  ) throws(Stop) {
    let names = kind == .threads ? ["1 thread", "\(threads) threads"] : involved.map(\.name)
    for (rows, (first, second)) in zip(fuzzCase.rows, zip(first, second)) {
      for output in fuzzCase.graph.outputs {
        let difference = TargetComparison.Difference(
          rows: rows, output: output.name, executions: names, first[output.name],
          second[output.name])
        guard let difference else { continue }
        throw .failed(kind, involved, rows: rows, "\(difference)")
      }
    }
  }
}
