import Dispatch
import Foundation
import NormGenJIT
import Synchronization
import Testing

/// Parts and phases are done once and in order, whoever asks and from wherever.
@Suite struct WorkerPoolTests {
  /// How often each part of each phase was done, and what was out of order.
  private final class Record: Sendable {
    private let parts: Int
    private let state: Mutex<(runs: Int, counts: [Int], problems: [String])>

    init(parts: Int, phases: Int) {
      self.parts = parts
      state = Mutex((0, [Int](repeating: 0, count: parts * phases), []))
    }

    /// Notes that a run begins, in which each part is to be done once more.
    func begin() { state.withLock { $0.runs += 1 } }

    /// Notes a part; all parts of the phase before must have been done in this run.
    func note(_ phase: Int, _ part: Int) {
      state.withLock { state in
        state.counts[phase * parts + part] += 1
        guard phase > 0 else { return }
        let before = state.counts[(phase - 1) * parts..<phase * parts]
        if before.contains(where: { $0 != state.runs }) {
          state.problems.append("run \(state.runs), phase \(phase), part \(part): \(before)")
        }
      }
    }

    /// What is wrong after the runs.
    var problems: [String] {
      state.withLock { state in
        state.problems
          + state.counts.enumerated().filter { $0.element != state.runs }
          .map { "entry \($0.offset) was done \($0.element) times, not \(state.runs)" }
      }
    }
  }

  private func recorded(parts: Int, phases: Int) -> (work: PartedWork, record: Record) {
    let record = Record(parts: parts, phases: phases)
    return (PartedWork(parts: parts, phases: phases) { record.note($0, $1) }, record)
  }

  @Test(arguments: [1, 2, 3, 7, 40], [1, 2, 5])
  func everyPartIsDoneOnceAndPhasesAreInOrder(parts: Int, phases: Int) {
    let (work, record) = recorded(parts: parts, phases: phases)
    for _ in 0..<200 {
      record.begin()
      WorkerPool.shared.run(work)
    }
    record.begin()
    work.runAlone()
    #expect(record.problems == [])
  }

  /// Two parts that wait for each other, for a second at most.
  private final class Meeting: Sendable {
    private let arrivals = Atomic<Int>(0)
    private let meetings = Atomic<Int>(0)

    var haveMet: Bool { meetings.load(ordering: .acquiring) == 2 }

    func arrive() {
      arrivals.add(1, ordering: .acquiringAndReleasing)
      let end = ContinuousClock.now + .seconds(1)
      while arrivals.load(ordering: .acquiring) < 2 {
        guard ContinuousClock.now < end else { return }
      }
      meetings.add(1, ordering: .acquiringAndReleasing)
    }
  }

  @Test func partsRunAtOnce() {
    // While another test has the workers, its parts come one after the other; so try again.
    let met = (0..<60).contains { _ in
      let meeting = Meeting()
      let work = PartedWork(parts: 2, phases: 1) { _, _ in meeting.arrive() }
      return WorkerPool.shared.run(work) && meeting.haveMet
    }
    #expect(met)
  }

  @Test func runsFromManyThreadsAreAllDone() {
    let problems = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 16) { _ in
      let (work, record) = recorded(parts: 3, phases: 4)
      for _ in 0..<100 {
        record.begin()
        WorkerPool.shared.run(work)
      }
      problems.withLock { $0 += record.problems }
    }
    #expect(problems.withLock { $0 } == [])
  }

  @Test func aRunInsideOfARunIsDoneByItsOwnThread() {
    let (inner, record) = recorded(parts: 3, phases: 2)
    let outer = PartedWork(parts: 2, phases: 3) { phase, part in
      guard part == 0 else { return }
      record.begin()
      WorkerPool.shared.run(inner)
    }
    for _ in 0..<100 { WorkerPool.shared.run(outer) }
    #expect(record.problems == [])
  }

  /// Memory that parts share without a lock; freed with its owner.
  private final class SharedNumbers: @unchecked Sendable {
    let numbers: UnsafeMutableBufferPointer<Int>

    init(count: Int) {
      numbers = .allocate(capacity: count)
      numbers.initialize(repeating: 0)
    }

    deinit { numbers.deallocate() }
  }

  /// A part writes what another one reads in the next phase, as kernels do.
  @Test func aPhaseSeesWhatTheOneBeforeWrote() {
    let (parts, phases) = (3, 4)
    let shared = SharedNumbers(count: parts * (phases + 1))
    let work = PartedWork(parts: parts, phases: phases) { phase, part in
      let read = shared.numbers[phase * parts + (part + 1) % parts]
      shared.numbers[(phase + 1) * parts + part] = read + 1
    }
    for run in 0..<300 {
      for part in 0..<parts { shared.numbers[part] = run }
      WorkerPool.shared.run(work)
      let last = shared.numbers.suffix(parts)
      #expect(last.allSatisfy { $0 == run + phases }, "run \(run): \(Array(last))")
    }
  }

  /// Two parts of a phase that write one number: the thread sanitizer must report it.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["NORMGEN_PLANTED_RACE"] == "1"))
  func plantedRace() {
    let shared = SharedNumbers(count: 1)
    let work = PartedWork(parts: 2, phases: 1) { _, _ in
      for _ in 0..<1000 { shared.numbers[0] += 1 }
    }
    for _ in 0..<100 { WorkerPool.shared.run(work) }
    #expect(shared.numbers[0] > 0)
  }
}
