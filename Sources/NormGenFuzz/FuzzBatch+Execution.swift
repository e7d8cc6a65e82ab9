import NormGen
import NormGenCheck

extension FuzzBatch {
  /// The outputs of all calls of each kernel on one target, the same in several threads.
  func outputs(of subjects: [Subject], _ index: Int) -> [Result<Outputs, Stop>] {
    guard judge.machines[index] == .native else { return emulated(subjects, index) }
    let target = judge.targets[index]
    let kernels = groups(of: subjects, index).flatMap { group in
      compiled(group.subjects, index, group.optimization)
    }
    return zip(subjects, kernels).map { subject, kernel in
      Result { () throws(Stop) in try called(kernel.get(), subject, target) }
    }
  }

  private func called(
    _ kernel: CompiledKernel, _ subject: Subject, _ target: Target
  ) throws(Stop) -> Outputs {
    var alone: Outputs = []
    var shared: Outputs = []
    for (call, inputs) in zip(subject.fuzzCase.calls, subject.inputs) {
      do throws(CallError) {
        alone.append(try kernel(inputs))
        shared.append(try kernel(inputs, threads: judge.threads))
      } catch { throw .failed(.call, [target], "\(error)", at: call) }
    }
    try Self.compare(
      subject.fuzzCase, alone, shared, kind: .threads, ["1 thread", "\(judge.threads) threads"],
      [target])
    return alone
  }

  // MARK: Compilation

  /// Neighbours that are compiled in the same way.
  private func groups(
    of subjects: [Subject], _ index: Int
  ) -> [(optimization: Optimization, subjects: [Subject])] {
    subjects.reduce(into: []) { groups, subject in
      let optimization = subject.fuzzCase.optimization(index)
      if groups.last?.optimization == optimization {
        groups[groups.count - 1].subjects.append(subject)
      } else {
        groups.append((optimization, [subject]))
      }
    }
  }

  /// The kernels together, or one by one where they do not compile together.
  private func compiled(
    _ subjects: [Subject], _ index: Int, _ optimization: Optimization
  ) -> [Result<CompiledKernel, Stop>] {
    let target = judge.targets[index]
    var compiler = judge.compiler
    compiler.target = target
    compiler.optimization = optimization
    let lowerings = subjects.compactMap { $0.lowerings[index] }
    guard lowerings.count > 1 else { return lowerings.map { alone($0, compiler) } }
    do throws(CompilerError) {
      let kernels = try compiler.compileTogether(lowerings) { judge.edited($0, target) }
      return kernels.map { .success($0) }
    } catch {
      let results = lowerings.map { alone($0, compiler) }
      let fails = results.contains { if case .failure = $0 { true } else { false } }
      if fails { return results }
      // Nothing is wrong with any of them but all of them.
      return results.enumerated().map { position, result in
        position == 0 ? .failure(.failed(.compilation, [target], "together: \(error)")) : result
      }
    }
  }

  private func alone(
    _ lowering: Lowering, _ compiler: Compiler
  ) -> Result<CompiledKernel, Stop> {
    Result { () throws(Stop) in
      do throws(CompilerError) {
        return try compiler.compile(
          lowering, source: judge.edited(lowering.source.source, lowering.target))
      } catch { throw .failed(.compilation, [lowering.target], "\(error)") }
    }
  }

  // MARK: Emulation

  /// All calls in one emulated machine, or each kernel's in one where that fails.
  private func emulated(_ subjects: [Subject], _ index: Int) -> [Result<Outputs, Stop>] {
    let target = judge.targets[index]
    let calls = subjects.map { subject in
      subject.lowerings[index].map { lowering in
        zip(subject.fuzzCase.calls, subject.inputs).map {
          KernelCall(lowering, rows: $0.rows, inputs: $1)
        }
      } ?? []
    }
    do {
      var outputs = try TargetMachine.outputs(
        of: calls.flatMap { $0 }, on: target, compiler: judge.compiler)[...]
      return calls.map { calls in
        defer { outputs = outputs.dropFirst(calls.count) }
        return .success(Array(outputs.prefix(calls.count)))
      }
    } catch {
      guard subjects.count > 1 else { return [.failure(.failed(.call, [target], "\(error)"))] }
      return subjects.flatMap { emulated([$0], index) }
    }
  }
}
