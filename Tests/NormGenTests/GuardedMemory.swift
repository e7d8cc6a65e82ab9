import Foundation
import Testing

/// Memory between two pages that no access survives.
final class GuardedMemory {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  /// The usable bytes.
  let bytes: UnsafeMutableRawBufferPointer

  /// Where the usable bytes touch a forbidden page.
  enum Edge: CaseIterable {
    case beginning, end
  }

  init(_ content: [UInt8], at edge: Edge) throws {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let usable = max(1, (content.count + page - 1) / page) * page
    byteCount = usable + 2 * page
    let mapped = mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapped, mapped != MAP_FAILED else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ENOMEM)
    }
    base = mapped
    guard mprotect(mapped + page, usable, PROT_READ | PROT_WRITE) == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ENOMEM)
    }
    let start =
      switch edge {
      case .beginning: mapped + page
      case .end: mapped + page + usable - content.count
      }
    bytes = UnsafeMutableRawBufferPointer(start: start, count: content.count)
    bytes.copyBytes(from: content)
  }

  deinit { munmap(base, byteCount) }
}
