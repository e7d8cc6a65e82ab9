internal import Foundation
internal import Synchronization

/// The names of files that are not finished, where a signal's handler can read them.
///
/// Names lie in memory that is never freed; each has a state that says who may use it.
package enum PendingNames {
  /// Nobody's; being written by the thread that took it; a pending file's; the handler's.
  private enum State {
    static let free = 0
    static let taken = 1
    static let pending = 2
    static let handled = 3
  }

  fileprivate struct Slot: ~Copyable {
    let state: Atomic<Int>
    let text: UnsafeMutablePointer<CChar>
    let capacity: Int
    let next: UnsafeMutablePointer<Slot>?
  }

  /// A name that is registered.
  struct Name: @unchecked Sendable {
    fileprivate let slot: UnsafeMutablePointer<Slot>
  }

  // Shared by all threads: the head is atomic, and so is each slot's state, which guards its text.
  nonisolated(unsafe) private static let head = Atomic<UnsafeMutablePointer<Slot>?>(nil)

  /// Registers the path of a file that is about to be made.
  static func add(_ path: String) -> Name {
    path.withSystemText { text in
      let size = strlen(text) + 1
      let slot = vacant(size) ?? grown(size)
      memcpy(slot.pointee.text, text, size)
      slot.pointee.state.store(State.pending, ordering: .releasing)
      return Name(slot: slot)
    }
  }

  /// Forgets a path; its slot serves another one, unless the handler has it.
  static func remove(_ name: Name) {
    _ = name.slot.pointee.state.compareExchange(
      expected: State.pending, desired: State.free, ordering: .acquiringAndReleasing)
  }

  private static func vacant(_ size: Int) -> UnsafeMutablePointer<Slot>? {
    var next = head.load(ordering: .acquiring)
    while let slot = next {
      if slot.pointee.capacity >= size,
        slot.pointee.state.compareExchange(
          expected: State.free, desired: State.taken, ordering: .acquiringAndReleasing
        ).exchanged
      {
        return slot
      }
      next = slot.pointee.next
    }
    return nil
  }

  private static func grown(_ size: Int) -> UnsafeMutablePointer<Slot> {
    let capacity = max(size, 256)
    let slot = UnsafeMutablePointer<Slot>.allocate(capacity: 1)
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    var first = head.load(ordering: .acquiring)
    while true {
      slot.initialize(
        to: Slot(state: Atomic(State.taken), text: text, capacity: capacity, next: first))
      let (exchanged, original) = head.compareExchange(
        expected: first, desired: slot, ordering: .acquiringAndReleasing)
      if exchanged { return slot }
      first = original
    }
  }

  /// Removes all pending files; only what a signal's handler may call is called.
  private static func removeFiles() {
    var next = head.load(ordering: .acquiring)
    while let slot = next {
      if slot.pointee.state.compareExchange(
        expected: State.pending, desired: State.handled, ordering: .acquiringAndReleasing
      ).exchanged {
        unlink(slot.pointee.text)
      }
      next = slot.pointee.next
    }
  }

  /// Lets the signals that end a process remove its pending files first; the process then ends by the
  /// signal. A signal that is ignored stays ignored.
  package static func removeFilesAtSignals() {
    // What the handler reads is made before it can run.
    _ = head.load(ordering: .acquiring)
    for number in [SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ] {
      var old = sigaction()
      guard sigaction(number, nil, &old) == 0, isDefault(old) else { continue }
      signal(number) { number in
        PendingNames.removeFiles()
        signal(number, SIG_DFL)
        // It is delivered when this handler returns.
        raise(number)
      }
    }
  }

  private static func isDefault(_ action: sigaction) -> Bool {
    #if canImport(Darwin)
      let handler = action.__sigaction_u.__sa_handler
    #else
      let handler = action.__sigaction_handler.sa_handler
    #endif
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_DFL, to: Int.self)
  }
}
