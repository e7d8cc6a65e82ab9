internal import Foundation

/// Memory of this process that begins at a multiple of an alignment, or a typed error.
///
/// Swift's own allocations end the process where the system gives no more memory. The size of this one
/// may come from a file or from a user.
package final class AlignedMemory: @unchecked Sendable {
  // The bytes belong to whoever holds the reference: nothing here reads or writes them after `init`.
  package let bytes: UnsafeMutableRawBufferPointer
  private let isMapped: Bool

  /// From here on the system's pages are taken themselves: they are zero without being written.
  static let leastMappedByteCount = 32 << 20

  /// Takes memory; bytes that nobody has written are zero if `isZero`, else of any value.
  ///
  /// - Parameter alignment: A power of two from 16 to 4096.
  /// - Throws: ``TensorError/memory(byteCount:)``.
  package init(
    byteCount: Int, alignment: Int = 64, isZero: Bool = false
  ) throws(TensorError) {
    guard byteCount >= 0, byteCount <= Int.max >> 8 else { throw .memory(byteCount: byteCount) }
    isMapped = byteCount >= Self.leastMappedByteCount
    if isMapped {
      let pages = mmap(
        nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      guard let pages, pages != MAP_FAILED else { throw .memory(byteCount: byteCount) }
      bytes = UnsafeMutableRawBufferPointer(start: pages, count: byteCount)
    } else {
      var start: UnsafeMutableRawPointer?
      guard posix_memalign(&start, alignment, max(byteCount, alignment)) == 0, let start else {
        throw .memory(byteCount: byteCount)
      }
      bytes = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
      if isZero { memset(start, 0, byteCount) }
    }
  }

  deinit {
    if isMapped {
      munmap(bytes.baseAddress, bytes.count)
    } else {
      free(bytes.baseAddress)
    }
  }
}
