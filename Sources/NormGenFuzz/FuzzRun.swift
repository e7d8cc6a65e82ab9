import NormGen
import Dispatch
import Synchronization

/// What a fuzzing run has seen: enough to go on with it later.
public struct FuzzTotals: Hashable, Sendable, Codable {
  /// The seed of the run: kernel i has this seed plus i, so that each can be made alone.
  public let seed: UInt64
  /// The kernels that were made.
  public internal(set) var graphs = 0
  /// Those that the planner refuses as documented, by reason.
  public internal(set) var refused: [String: Int] = [:]
  /// The seeds of those that broke a promise.
  public internal(set) var failed: [UInt64] = []
  /// The seeds of those of which an output says nothing: only NaN, or without a bound, in all calls.
  public internal(set) var unjudged: [UInt64] = []
  /// What the calls of the others came to.
  public internal(set) var figures = FuzzFigures()

  /// Totals of a run that begins.
  public init(seed: UInt64) {
    self.seed = seed
  }

  /// The seed of the next kernel.
  public var nextSeed: UInt64 { seed &+ UInt64(graphs) }

  /// The kernels that were compiled and called, and of which all outputs were judged without a
  /// failure.
  public var passed: Int {
    graphs - failed.count - unjudged.count - refused.values.reduce(0, +)
  }

  mutating func add(_ verdict: FuzzJudge.Verdict, seed: UInt64) {
    graphs += 1
    switch verdict {
    case .passed(let figures): self.figures.add(figures)
    case .unjudged(let figures):
      self.figures.add(figures)
      unjudged.append(seed)
    case .refused(let reason): refused[reason, default: 0] += 1
    case .failed: failed.append(seed)
    }
  }
}

/// A kernel that broke a promise, made as small as possible.
public struct FuzzFinding: Sendable {
  /// The seed of the kernel.
  public let seed: UInt64
  /// How the kernel fails as it was made.
  public let failure: FuzzFailure
  /// The smallest kernel found that fails so; nil if the seed gives no kernel.
  public let smallest: FuzzCase?
  /// How the smallest kernel fails.
  public let smallestFailure: FuzzFailure
}

/// Judges random kernels one seed after the other.
public struct FuzzRun: Sendable {
  /// Judges each kernel.
  public let judge: FuzzJudge
  /// What was seen.
  public private(set) var totals: FuzzTotals

  /// A run that goes on from `totals`.
  public init(_ judge: FuzzJudge, from totals: FuzzTotals) {
    self.judge = judge
    self.totals = totals
  }

  /// Kernels that are compiled together.
  public static let batch = 16

  /// Judges the next `count` kernels, in batches on as many threads as there are processors.
  ///
  /// - Returns: The kernels that broke a promise, in the order of seeds.
  public mutating func judgeNext(_ count: Int) -> [(seed: UInt64, failure: FuzzFailure)] {
    let count = max(count, 0)
    let first = totals.nextSeed
    let judge = judge
    let verdicts = Mutex([FuzzJudge.Verdict?](repeating: nil, count: count))
    // Batches end where kernels are compiled in another way.
    let before = Int(first % UInt64(FuzzRun.batch))
    let batches = (before + count + FuzzRun.batch - 1) / FuzzRun.batch
    DispatchQueue.concurrentPerform(iterations: batches) { batch in
      let start = batch * FuzzRun.batch - before
      let positions = max(start, 0)..<min(start + FuzzRun.batch, count)
      let judged = judge.verdicts(seeds: positions.map { first &+ UInt64($0) })
      verdicts.withLock { $0.replaceSubrange(positions, with: judged) }
    }
    var failures: [(seed: UInt64, failure: FuzzFailure)] = []
    for (index, verdict) in verdicts.withLock({ $0 }).enumerated() {
      guard let verdict else { continue }
      let seed = first &+ UInt64(index)
      totals.add(verdict, seed: seed)
      if case .failed(let failure) = verdict { failures.append((seed, failure)) }
    }
    return failures
  }
}

extension FuzzFinding {
  /// Makes the kernel of a seed, which fails so, as small as possible.
  public init(seed: UInt64, _ failure: FuzzFailure, judge: FuzzJudge) {
    self.seed = seed
    self.failure = failure
    guard let fuzzCase = try? FuzzCase(seed: seed) else {
      self.smallest = nil
      self.smallestFailure = failure
      return
    }
    var shrinker = FuzzShrinker(failure, judge: judge)
    let smallest = shrinker.shrunk(fuzzCase, failure)
    self.smallest = smallest.fuzzCase
    self.smallestFailure = smallest.failure
  }
}
