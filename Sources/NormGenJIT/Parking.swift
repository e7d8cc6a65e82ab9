internal import CNormGenClang
internal import Dispatch
internal import Synchronization

/// Where one thread waits for others: it looks for a while, then sleeps.
///
/// Whoever changes what the thread waits for calls ``wake()`` afterwards.
final class Parking: Sendable {
  private let isAsleep = Atomic<Bool>(false)
  private let semaphore = DispatchSemaphore(value: 0)

  /// How long a thread looks before it sleeps: a little more than it takes to wake one.
  private static let patience = Duration.microseconds(30)
  /// Looks between two readings of the clock.
  private static let looks = 64

  /// Returns once `isOver` is true.
  ///
  /// - Parameters:
  ///   - spins: Whether to look for a while, which pays if the others have cores of their own.
  ///   - isOver: Reads what the thread waits for, sequentially consistent.
  func wait(spins: Bool, until isOver: () -> Bool) {
    if isOver() { return }
    if spins {
      let end = ContinuousClock.now + Parking.patience
      repeat {
        for _ in 0..<Parking.looks {
          ng_pause()
          if isOver() { return }
        }
      } while ContinuousClock.now < end
    }
    while !isOver() { sleep(unless: isOver) }
  }

  /// Sleeps until woken. The flag rises before the last look and a waker lowers it after its change:
  /// one of the two sees the other.
  private func sleep(unless isOver: () -> Bool) {
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    if isOver(), isAsleep.exchange(false, ordering: .sequentiallyConsistent) { return }
    // Whoever has lowered the flag, or will, signals once.
    semaphore.wait()
  }

  /// Wakes the thread if it sleeps.
  func wake() {
    if isAsleep.load(ordering: .sequentiallyConsistent),
      isAsleep.exchange(false, ordering: .sequentiallyConsistent)
    {
      semaphore.signal()
    }
  }
}
