internal import Synchronization

/// Work in phases whose parts threads share; it can be run any number of times, one after the other.
///
/// In every phase each part is done once, by whichever thread comes first: the thread that a part
/// is meant for, so that its data is in that core's cache, or one that has nothing else to do. So a
/// thread that comes late, or never, delays nobody. A phase begins when all parts of the one before
/// have ended, and sees what they wrote.
package final class PartedWork: @unchecked Sendable {
  /// Parts of a phase, at least 1.
  package let parts: Int
  /// Phases of a run, at least 1.
  package let phases: Int
  private let body: @Sendable (_ phase: Int, _ part: Int) -> Void

  // Phases are counted through all runs, so that nothing is reset while a thread still looks.

  /// The phase that each part is to do next.
  private let next: UnsafeMutablePointer<Atomic<Int>>
  /// Parts done.
  private let done = Atomic<Int>(0)
  /// Phases that may be done.
  private let limit = Atomic<Int>(0)
  /// One for each thread.
  private let parkings: [Parking]
  private let spins: Bool

  /// Creates work.
  ///
  /// - Parameters:
  ///   - parts: Parts of a phase.
  ///   - phases: Phases of a run.
  ///   - body: Does one part of a phase; parts of a phase run at once.
  package init(
    parts: Int, phases: Int, _ body: @escaping @Sendable (_ phase: Int, _ part: Int) -> Void
  ) {
    self.parts = max(parts, 1)
    self.phases = max(phases, 1)
    self.body = body
    next = .allocate(capacity: self.parts)
    for part in 0..<self.parts { (next + part).initialize(to: Atomic(0)) }
    parkings = (0..<self.parts).map { _ in Parking() }
    spins = self.parts <= WorkerPool.processorCount
  }

  deinit {
    next.deinitialize(count: parts)
    next.deallocate()
  }

  /// Does everything in this thread.
  package func runAlone() {
    for phase in 0..<phases {
      for part in 0..<parts { body(phase, part) }
    }
  }

  /// Begins a run; the one before must have ended.
  func begin() { limit.add(phases, ordering: .sequentiallyConsistent) }

  /// Takes part in a run until nothing is left; thread 0 returns when all have ended.
  func join(thread: Int) {
    while true {
      let phase = done.load(ordering: .acquiring) / parts
      let limit = limit.load(ordering: .acquiring)
      guard phase < limit else { return }
      if doPart(of: phase, thread) { continue }
      // The last phase needs nobody who only waits for its end.
      guard thread == 0 || phase + 1 < limit else { return }
      parkings[thread].wait(spins: spins) {
        done.load(ordering: .sequentiallyConsistent) / parts > phase
      }
    }
  }

  /// Does a part that nobody has taken, the thread's own first; false if there is none.
  private func doPart(of phase: Int, _ thread: Int) -> Bool {
    for offset in 0..<parts {
      let part = (thread + offset) % parts
      guard next[part].load(ordering: .relaxed) == phase,
        next[part].compareExchange(
          expected: phase, desired: phase + 1, ordering: .acquiringAndReleasing
        ).exchanged
      else { continue }
      body(phase % phases, part)
      let count = done.add(1, ordering: .sequentiallyConsistent).newValue
      if count % parts == 0 {
        for parking in parkings { parking.wake() }
      }
      return true
    }
    return false
  }
}
