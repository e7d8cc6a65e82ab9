import NormGen
import NormGenCheck

/// Kernels with different names that are compiled together for each target and judged one by one.
struct FuzzBatch {
  /// What judges them.
  let judge: FuzzJudge
  /// The targets, by their indices in the judge's list.
  let targets: [Int]

  /// The outputs of all calls of a kernel, by name.
  typealias Outputs = [[String: HostTensor]]

  /// A kernel, how far it has come, and what was found.
  struct Subject {
    let fuzzCase: FuzzCase
    var inputs: [[String: HostTensor]] = []
    /// The lowered kernel by the target's index.
    var lowerings: [Int: Lowering] = [:]
    /// What the interpreters say of each call.
    var references: [ReferenceOutputs] = []
    /// The outputs that have had a telling element.
    var judged: Set<String> = []
    var figures = FuzzFigures()
    var stop: Stop?
  }

  /// Why a kernel is not judged further.
  enum Stop: Error {
    case refused(String)
    case failed(FuzzFailure)

    static func failed(
      _ kind: FuzzFailure.Kind, _ targets: [Target], _ message: String, at call: FuzzCall? = nil
    ) -> Stop {
      .failed(FuzzFailure(kind: kind, targets: targets, call: call, message: message))
    }
  }

  /// Judges kernels on all targets of the batch, each with its own schedule.
  func verdicts(of cases: [FuzzCase]) -> [FuzzJudge.Verdict] {
    var subjects = cases.map(prepared)
    for index in targets {
      let active = subjects.indices.filter { subjects[$0].stop == nil }
      let results = outputs(of: active.map { subjects[$0] }, index)
      for (position, result) in zip(active, results) {
        do throws(Stop) {
          try examine(&subjects[position], try result.get(), index)
        } catch { subjects[position].stop = error }
      }
    }
    return subjects.map { subject in
      switch subject.stop {
      case nil where subject.judged.count < subject.fuzzCase.graph.outputs.count:
        .unjudged(subject.figures)
      case nil: .passed(subject.figures)
      case .refused(let reason): .refused(reason: reason)
      case .failed(let failure): .failed(failure)
      }
    }
  }

  // MARK: Before a target

  private func prepared(_ fuzzCase: FuzzCase) -> Subject {
    var subject = Subject(fuzzCase: fuzzCase)
    do throws(Stop) {
      try checkText(of: fuzzCase.graph)
      for call in fuzzCase.calls {
        do throws(TensorError) {
          subject.inputs.append(try call.inputs(for: fuzzCase.graph, seed: fuzzCase.seed))
        } catch { throw .failed(.call, [], "\(error)", at: call) }
      }
      for index in targets { subject.lowerings[index] = try lowered(fuzzCase, index) }
    } catch { subject.stop = error }
    subject.figures.count(fuzzCase)
    return subject
  }

  private func checkText(of graph: Graph) throws(Stop) {
    let again: [Graph]
    do {
      again = try GraphParser.graphs(in: judge.printed(graph))
    } catch {
      throw .failed(.text, [], "\(error)")
    }
    guard again == [graph] else {
      throw .failed(.text, [], "the kernel that is read back prints \(again)")
    }
  }

  private func lowered(_ fuzzCase: FuzzCase, _ index: Int) throws(Stop) -> Lowering {
    let target = judge.targets[index]
    var compiler = judge.compiler
    compiler.target = target
    if let schedule = fuzzCase.schedules[index % max(fuzzCase.schedules.count, 1)] {
      compiler.schedule = schedule.by(compiler.trace.strategy ?? compiler.strategies.first?.name)
    }
    do {
      return try compiler.lower(fuzzCase.graph)
    } catch .plan(let error) {
      if let reason = FuzzRefusal.documentedReason(of: error) { throw .refused(reason) }
      throw .failed(.plan, [target], error.message)
    } catch {
      throw .failed(.compilation, [target], "\(error)")
    }
  }

  // MARK: After a target

  /// Judges a target's outputs by both interpreters.
  private func examine(_ subject: inout Subject, _ outputs: Outputs, _ index: Int) throws(Stop) {
    let target = judge.targets[index]
    let isNative = judge.machines[index] == .native
    let isFirst = subject.references.isEmpty
    subject.figures.calls += outputs.count * (isNative ? 2 : 1)
    if isFirst { try evaluate(&subject) }
    let (fuzzCase, graph) = (subject.fuzzCase, subject.fuzzCase.graph)
    try checkLoops(of: subject, index)
    for (position, (call, outputs)) in zip(fuzzCase.calls, outputs).enumerated() {
      for (number, output) in graph.outputs.enumerated() {
        guard let tensor = outputs[output.name] else {
          throw .failed(.call, [target], "output '\(output.name)' is missing", at: call)
        }
        let judgement = subject.references[position].judgement(of: tensor, output: number)
        let place = "\(call), output '\(output.name)': "
        guard judgement.bound.passes else {
          throw .failed(.bound, [target], "\(place)\(judgement.bound)", at: call)
        }
        guard judgement.exact.passes else {
          throw .failed(.bits, [target], "\(place)\(judgement.exact)", at: call)
        }
        if judgement.telling > 0 { subject.judged.insert(output.name) }
        if isFirst { subject.figures.add(judgement, of: call, seed: fuzzCase.seed) }
      }
    }
  }

  /// Runs a target's loops for the least call with rows, unless it is too large for that: what is
  /// wrong in them is no mistake of the C.
  private func checkLoops(of subject: Subject, _ index: Int) throws(Stop) {
    let calls = subject.fuzzCase.calls.indices.filter { subject.fuzzCase.calls[$0].rows > 0 }
    guard let lowering = subject.lowerings[index],
      let least = calls.min(by: {
        subject.fuzzCase.calls[$0].rows < subject.fuzzCase.calls[$1].rows
      })
    else { return }
    let call = subject.fuzzCase.calls[least]
    let loops = LoopCheck(
      KernelCall(lowering, rows: call.rows, inputs: subject.inputs[least]),
      reference: subject.references[least], mostCost: Self.mostLoopCost)
    if case .wrong(let message) = loops {
      throw .failed(.loops, [judge.targets[index]], "\(call), \(message)", at: call)
    }
  }

  /// About the operations on vectors that a millisecond or some take.
  private static let mostLoopCost = 20_000

  /// Evaluates all calls with both interpreters.
  private func evaluate(_ subject: inout Subject) throws(Stop) {
    for (call, inputs) in zip(subject.fuzzCase.calls, subject.inputs) {
      do {
        subject.references.append(
          try ReferenceOutputs(of: subject.fuzzCase.graph, rows: call.rows, inputs: inputs))
      } catch {
        throw .failed(.call, [], "the interpreters: \(error)", at: call)
      }
    }
  }

  /// Throws where two executions of all calls have different bits.
  static func compare(
    _ fuzzCase: FuzzCase, _ first: Outputs, _ second: Outputs, kind: FuzzFailure.Kind,
    _ executions: [String], _ targets: [Target]
  ) throws(Stop) {
    for (call, (first, second)) in zip(fuzzCase.calls, zip(first, second)) {
      let differences: [TargetComparison.Difference]
      do {
        differences = try TargetComparison.Difference.all(
          of: fuzzCase.graph, rows: call.rows, executions: executions, first, second)
      } catch { throw .failed(.call, targets, "\(error)", at: call) }
      guard let difference = differences.first else { continue }
      let special = call.firstSpecial == nil ? "" : "\(call): "
      throw .failed(kind, targets, "\(special)\(difference)", at: call)
    }
  }
}
