internal import Foundation
internal import Synchronization

/// Temporary files whose process was killed before it could remove them.
///
/// A temporary file is named `.normgen-MACHINE-PROCESS-RANDOM.tmp`. The next process that writes a file
/// in the folder removes those of the same user whose process no longer lives. Whether a process of
/// another machine or container lives can't be known: its files are removed after a day.
enum AbandonedFiles {
  private static let prefix = ".normgen-"
  private static let suffix = ".tmp"
  /// Seconds after which a file of another machine is nobody's.
  private static let foreignAge = 86_400

  /// A name for a new temporary file.
  static func newName() -> String {
    let unique = String(UInt64.random(in: .min ... .max), radix: 36)
    return "\(prefix)\(machine)-\(getpid())-\(unique)\(suffix)"
  }

  /// The folders that this process has looked through.
  private static let known = Mutex<Set<String>>([])

  /// Removes what is left in a folder, once in a process.
  static func remove(in folder: String) {
    guard known.withLock({ $0.insert(folder).inserted }) else { return }
    guard let directory = folder.withSystemText({ opendir($0) }) else { return }
    defer { closedir(directory) }
    let descriptor = dirfd(directory)
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if isAbandoned(name, in: descriptor) { unlinkat(descriptor, name, 0) }
    }
  }

  private static func isAbandoned(_ name: String, in folder: CInt) -> Bool {
    guard let (machine, process) = parts(of: name) else { return false }
    var status = stat()
    guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
      status.st_mode.isRegularFile, status.st_uid == geteuid()
    else { return false }
    guard machine == Self.machine else {
      #if canImport(Darwin)
        let changed = status.st_mtimespec.tv_sec
      #else
        let changed = status.st_mtim.tv_sec
      #endif
      return time(nil) - changed > foreignAge
    }
    return kill(process, 0) != 0 && errno == ESRCH
  }

  /// The machine and the process that a temporary file's name tells; nil for all other names.
  static func parts(of name: String) -> (machine: String, process: pid_t)? {
    guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
    let parts = name.dropFirst(prefix.count).dropLast(suffix.count).split(
      separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty }),
      parts[0].count <= 13, parts[0].utf8.allSatisfy(isDigit),
      parts[2].count <= 13, parts[2].utf8.allSatisfy(isDigit),
      let process = pid_t(parts[1]), process > 0, String(process) == parts[1]
    else { return nil }
    return (String(parts[0]), process)
  }

  /// Whether a byte is a digit of base 36.
  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
  }

  /// What tells apart the machines, starts of machines and containers that number processes.
  static let machine: String = {
    var text = ""
    if let start = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8) {
      text += start
    } else {
      text += ProcessInfo.processInfo.hostName
    }
    text += (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? ""
    // FNV-1a.
    let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return String(hash, radix: 36)
  }()
}
