internal import Foundation

/// Which file a name leads to, whatever the name: its device and its number there.
struct FileIdentity: Hashable {
  private let device: UInt64
  private let number: UInt64

  init(_ status: stat) {
    device = UInt64(truncatingIfNeeded: status.st_dev)
    number = UInt64(truncatingIfNeeded: status.st_ino)
  }

  /// The file that a path leads to; nil if there is none.
  init?(ofFileAt path: String) {
    var status = stat()
    guard path.withSystemText({ stat($0, &status) }) == 0 else { return nil }
    self.init(status)
  }
}

extension mode_t {
  var isRegularFile: Bool { self & S_IFMT == S_IFREG }
  var isDirectory: Bool { self & S_IFMT == S_IFDIR }

  /// The kind of file in words.
  var fileKind: String {
    switch self & S_IFMT {
    case S_IFREG: "a file"
    case S_IFDIR: "a directory"
    case S_IFIFO: "a pipe"
    case S_IFCHR, S_IFBLK: "a device"
    case S_IFSOCK: "a socket"
    default: "another kind of file"
    }
  }
}

/// Folders of files to be written.
package enum Folder {
  /// Makes a directory and those above it that do not exist.
  ///
  /// - Throws: ``TensorFileError`` where something else stands in the way.
  package static func make(_ path: String) throws(TensorFileError) {
    var status = stat()
    if path.withSystemText({ stat($0, &status) }) == 0 {
      guard status.st_mode.isDirectory else {
        throw .notDirectory(file: path, found: status.st_mode.fileKind)
      }
      return
    }
    let code = errno
    guard code == ENOENT, !path.isEmpty, !path.utf8.contains(0) else {
      throw .system(operation: "make", file: path, code: code)
    }
    let parent = parent(of: path)
    if parent != path { try make(parent) }
    guard path.withSystemText({ mkdir($0, 0o777) }) == 0 || errno == EEXIST else {
      throw .system(operation: "make", file: path, code: errno)
    }
  }

  /// The directory that a path's last name stands in.
  package static func parent(of path: String) -> String {
    var bytes = Array(path.utf8)[...]
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
  }
}
