internal import Foundation

/// The beginnings of files of any kind.
package enum FileBytes {
  /// The first bytes of a file, at most `limit`.
  ///
  /// Devices and pipes are read, too: what a shell's `<(command)` gives is a pipe.
  package static func read(_ path: String, atMost limit: Int) throws(TensorFileError) -> [UInt8] {
    guard !path.isEmpty else { throw .reference(path, expected: "a file's name") }
    guard !path.utf8.contains(0) else {
      throw .system(operation: "open", file: path, code: ENOENT)
    }
    let descriptor = path.withSystemText { open($0, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw .system(operation: "open", file: path, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .system(operation: "read", file: path, code: errno)
    }
    guard !status.st_mode.isDirectory else {
      throw .notRegular(file: path, found: status.st_mode.fileKind)
    }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count < limit {
      let got = Foundation.read(descriptor, &part, min(part.count, limit - bytes.count))
      if got > 0 {
        bytes += part[..<got]
      } else if got == 0 {
        break
      } else if errno != EINTR {
        throw .system(operation: "read", file: path, code: errno)
      }
    }
    return bytes
  }
}
