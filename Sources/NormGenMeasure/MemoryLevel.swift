private import Foundation

/// Where a call's tensors lie when it is repeated: the smallest cache that holds them all.
public enum MemoryLevel: String, CaseIterable, Hashable, Sendable, Codable {
  case l1 = "L1"
  case l2 = "L2"
  case l3 = "L3"
  case memory

  /// The level of `bytes` on this machine.
  public static func of(bytes: Int) -> MemoryLevel {
    for (level, size) in zip([MemoryLevel.l1, .l2, .l3], sizes) where bytes <= size {
      return level
    }
    return .memory
  }

  /// The sizes of this machine's data caches in bytes, the nearest first; as many as are known.
  public static let sizes: [Int] = {
    let root = "/sys/devices/system/cpu/cpu0/cache"
    var sizes: [Int: Int] = [:]
    for index in 0..<8 {
      func text(_ name: String) -> String? {
        (try? String(contentsOfFile: "\(root)/index\(index)/\(name)", encoding: .utf8))?
          .trimmingCharacters(in: .whitespacesAndNewlines)
      }
      guard let level = text("level").flatMap({ Int($0) }), text("type") != "Instruction",
        let size = text("size").flatMap(bytes)
      else { continue }
      sizes[level] = size
    }
    return (1...3).map { sizes[$0] ?? 0 }
  }()

  /// Reads a size as the kernel prints it, such as `1024K`.
  private static func bytes(_ text: String) -> Int? {
    guard let unit = text.last, let count = Int(text.dropLast()) else { return Int(text) }
    switch unit {
    case "K": return count << 10
    case "M": return count << 20
    default: return nil
    }
  }
}
