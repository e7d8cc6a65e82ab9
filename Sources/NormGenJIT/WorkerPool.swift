internal import Foundation
internal import Synchronization

/// The process's threads for kernels: started when first needed, then kept.
///
/// One run at a time uses the workers. Whoever comes meanwhile, from another thread or from inside
/// a run, does all parts in its own thread: so nobody waits for a stranger's work, and nothing can
/// wait for itself. A worker without work looks for more for some microseconds, then sleeps.
package final class WorkerPool: @unchecked Sendable {
  /// The workers that all kernels share.
  package static let shared = WorkerPool()
  /// The processor's threads that this process may use.
  package static let processorCount = ProcessInfo.processInfo.activeProcessorCount
  /// The most threads of a run, the caller's among them.
  package static let mostThreads = 256

  private let isBusy = Atomic<Bool>(false)
  // Only whoever has set `isBusy` touches them.
  private var workers: [Worker] = []

  private init() {}

  /// Does all parts of all phases.
  ///
  /// - Returns: Whether the workers were free to help.
  @discardableResult package func run(_ work: PartedWork) -> Bool {
    guard work.parts > 1, !isBusy.exchange(true, ordering: .acquiring) else {
      work.runAlone()
      return false
    }
    let count = min(work.parts, WorkerPool.mostThreads) - 1
    while workers.count < count, let worker = Worker.started(number: workers.count + 1) {
      workers.append(worker)
    }
    work.begin()
    for worker in workers.prefix(count) { worker.offer(work) }
    work.join(thread: 0)
    isBusy.store(false, ordering: .releasing)
    return true
  }
}

/// A thread that takes part in what it is offered.
private final class Worker: Sendable {
  private let number: Int
  /// Counts offers.
  private let offers = Atomic<Int>(0)
  private let work = Mutex<PartedWork?>(nil)
  private let parking = Parking()

  private init(number: Int) { self.number = number }

  /// A worker whose thread runs; nil if the system gives no more threads.
  static func started(number: Int) -> Worker? {
    let worker = Worker(number: number)
    // The host's signals are not for its workers: a thread begins with its maker's mask.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let retained = Unmanaged.passRetained(worker)
    let status = pthread_create(&thread, nil, workerBody, retained.toOpaque())
    guard status == 0 else {
      retained.release()
      return nil
    }
    #if canImport(Darwin)
      if let thread { pthread_detach(thread) }
    #else
      pthread_detach(thread)
    #endif
    return worker
  }

  /// Asks the worker to take part in a run that has begun.
  func offer(_ offered: PartedWork) {
    work.withLock { $0 = offered }
    offers.add(1, ordering: .sequentiallyConsistent)
    parking.wake()
  }

  /// What the thread does, as long as the process lives.
  func serve() {
    var seen = 0
    while true {
      parking.wait(spins: number < WorkerPool.processorCount) {
        offers.load(ordering: .sequentiallyConsistent) != seen
      }
      seen = offers.load(ordering: .sequentiallyConsistent)
      let offered = work.withLock { slot in
        defer { slot = nil }
        return slot
      }
      offered?.join(thread: number)
    }
  }
}

#if canImport(Darwin)
  private func workerBody(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().serve()
    return nil
  }
#else
  private func workerBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue().serve()
    return nil
  }
#endif
