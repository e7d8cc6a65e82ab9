internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A file to be written.
struct EmittedFile: Hashable {
  /// The path below the output directory.
  let path: String
  /// The contents.
  let text: String
}

/// Writes sets of files: no reader ever sees a part of a file.
enum FileWriter {
  /// Writes files below a directory, which is made if it does not exist.
  ///
  /// Every file is written whole under a temporary name before the first one is renamed, so that a
  /// full disk changes nothing.
  ///
  /// - Returns: The paths written.
  static func write(
    _ files: [EmittedFile], to directory: String
  ) throws(CommandError) -> [String] {
    var pending: [(temporary: String, path: String)] = []
    do throws(CommandError) {
      for file in files {
        let path = joined(directory, file.path)
        try makeDirectory(parent(of: path))
        let unique = String(UInt64.random(in: .min ... .max), radix: 36)
        let temporary = "\(path).\(getpid()).\(unique).tmp"
        pending.append((temporary, path))
        try write(file.text, to: temporary, for: path)
      }
      for (temporary, path) in pending {
        guard rename(temporary, path) == 0 else { throw failure(path) }
      }
    } catch {
      for (temporary, _) in pending { unlink(temporary) }
      throw error
    }
    return pending.map(\.path)
  }

  /// A path below a directory; the current directory is not spelt out.
  static func joined(_ directory: String, _ path: String) -> String {
    if directory.isEmpty || directory == "." { return path }
    return directory.hasSuffix("/") ? directory + path : "\(directory)/\(path)"
  }

  private static func parent(of path: String) -> String {
    path.contains("/") ? (path as NSString).deletingLastPathComponent : "."
  }

  private static func makeDirectory(_ path: String) throws(CommandError) {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      guard isDirectory.boolValue else {
        throw .file(path: path, reason: "expected a directory, found a file")
      }
      return
    }
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true)
    } catch {
      throw .file(path: path, reason: "cannot be made: \(error.localizedDescription)")
    }
  }

  private static func write(
    _ text: String, to temporary: String, for path: String
  ) throws(CommandError) {
    let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw failure(path) }
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
      if count >= 0 {
        bytes = bytes.dropFirst(count)
      } else if errno != EINTR {
        let error = failure(path)
        close(file)
        throw error
      }
    }
    // Some file systems report a full disk only here.
    guard close(file) == 0 else { throw failure(path) }
  }

  private static func failure(_ path: String) -> CommandError {
    .file(path: path, reason: "cannot be written: \(String(cString: strerror(errno)))")
  }
}
