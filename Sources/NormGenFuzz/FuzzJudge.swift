public import NormGen
import NormGenCheck

/// Judges kernels by all that their contract promises: the text form, the exact bits on every target,
/// with every schedule and in several threads, and the oracle's bound.
public struct FuzzJudge: Sendable {
  /// The instruction sets, each judged by both interpreters.
  public let targets: [Target]
  /// The threads that share each call once more.
  public let threads: Int
  let compiler: Compiler
  let machines: [TargetMachine]
  /// Edits C before it is compiled: how tests plant a defect.
  package var edited: @Sendable (String, Target) -> String = { text, _ in text }
  /// Prints kernels: how tests plant a defect of the text form.
  package var printed: @Sendable (Graph) -> String = { "\($0)" }

  /// What came of a kernel.
  public enum Verdict: Sendable {
    /// Everything held.
    case passed(FuzzFigures)
    /// Everything held, but an output is nothing but NaN, or without a bound, in all calls.
    case unjudged(FuzzFigures)
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
    verdicts(seeds: [seed])[0]
  }

  /// Judges the kernels of some seeds, which are compiled together.
  public func verdicts(seeds: [UInt64]) -> [Verdict] {
    var verdicts: [Verdict?] = []
    var cases: [FuzzCase] = []
    for seed in seeds {
      do throws(GraphError) {
        cases.append(try FuzzCase(seed: seed))
        verdicts.append(nil)
      } catch {
        verdicts.append(
          .failed(FuzzFailure(kind: .graph, targets: [], call: nil, message: "\(error)")))
      }
    }
    var judged = self.verdicts(cases)[...]
    return verdicts.map { $0 ?? judged.removeFirst() }
  }

  /// Judges a kernel.
  public func verdict(_ fuzzCase: FuzzCase) -> Verdict {
    verdict(fuzzCase, targets: Array(targets.indices))
  }

  /// Judges a kernel on some of the targets, each with its own schedule.
  func verdict(_ fuzzCase: FuzzCase, targets chosen: [Int]) -> Verdict {
    FuzzBatch(judge: self, targets: chosen).verdicts(of: [fuzzCase])[0]
  }

  /// Judges kernels with different names, which are compiled together.
  ///
  /// One that fails is judged once more alone, as it is then made smaller.
  private func verdicts(_ cases: [FuzzCase]) -> [Verdict] {
    let verdicts = FuzzBatch(judge: self, targets: Array(targets.indices)).verdicts(of: cases)
    guard cases.count > 1 else { return verdicts }
    return zip(cases, verdicts).map { fuzzCase, verdict in
      guard case .failed(let failure) = verdict else { return verdict }
      if case .failed(let alone) = self.verdict(fuzzCase) { return .failed(alone) }
      return .failed(
        FuzzFailure(
          kind: failure.kind, targets: failure.targets, call: failure.call,
          message: failure.message + "; only when it is compiled with other kernels"))
    }
  }
}
