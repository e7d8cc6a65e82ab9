internal import Foundation

/// A file that is written under a temporary name and then takes its place whole.
///
/// Until ``commit()`` the old file, if any, is untouched; without it the temporary one vanishes.
final class PendingFile {
  /// The path as given.
  let path: String
  private let destination: String
  private let temporary: String
  private var descriptor: CInt?
  private var isCommitted = false

  /// Creates the temporary file beside the destination.
  init(replacing path: String) throws(TensorFileError) {
    let destination = try PendingFile.destination(of: path)
    var status = stat()
    var mode: mode_t?
    if stat(destination, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegular(file: path) }
      // A rename would replace a file that is protected against writing.
      guard access(destination, W_OK) == 0 else {
        throw .system(operation: "write", file: path, code: errno)
      }
      mode = status.st_mode & 0o777
    }
    let unique = String(UInt64.random(in: .min ... .max), radix: 36)
    let temporary = PendingFile.directory(of: destination) + ".normgen-\(unique).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else { throw .system(operation: "create", file: path, code: errno) }
    if let mode { fchmod(descriptor, mode) }
    self.path = path
    self.destination = destination
    self.temporary = temporary
    self.descriptor = descriptor
  }

  deinit {
    if let descriptor { close(descriptor) }
    if !isCommitted { unlink(temporary) }
  }

  /// Writes bytes after those before.
  func append(_ bytes: UnsafeRawBufferPointer) throws(TensorFileError) {
    guard let descriptor else { throw .system(operation: "write", file: path, code: EBADF) }
    var done = 0
    while done < bytes.count, let start = bytes.baseAddress {
      let written = write(descriptor, start + done, bytes.count - done)
      if written >= 0 {
        done += written
      } else if errno != EINTR {
        throw .system(operation: "write", file: path, code: errno)
      }
    }
  }

  /// Writes bytes after those before.
  func append(_ bytes: [UInt8]) throws(TensorFileError) {
    try bytes.withUnsafeBufferPointer { buffer throws(TensorFileError) in
      try append(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Makes sure that all bytes are on the disk, and closes the temporary file.
  func finish() throws(TensorFileError) {
    guard let descriptor else { return }
    self.descriptor = nil
    var code: CInt = fsync(descriptor) == 0 ? 0 : errno
    // Some file systems can't synchronize, and some report a full disk only when closing.
    if code == EINVAL || code == EROFS { code = 0 }
    if close(descriptor) != 0, code == 0 { code = errno }
    guard code == 0 else { throw .system(operation: "write", file: path, code: code) }
  }

  /// Puts the finished file in its place.
  func commit() throws(TensorFileError) {
    try finish()
    guard rename(temporary, destination) == 0 else {
      throw .system(operation: "replace", file: path, code: errno)
    }
    isCommitted = true
  }

  /// The path of the file that writing to `path` replaces: the same for all its spellings.
  ///
  /// A link to a file stands for that file. The directory must exist.
  static func destination(of path: String) throws(TensorFileError) -> String {
    guard !path.utf8.contains(0) else {
      throw .system(operation: "create", file: path, code: ENOENT)
    }
    if let existing = resolved(path) { return existing }
    let folder = directory(of: path)
    guard let parent = resolved(folder.isEmpty ? "." : folder) else {
      throw .system(operation: "create", file: path, code: errno)
    }
    return (parent == "/" ? "" : parent) + "/"
      + String(decoding: path.utf8.dropFirst(folder.utf8.count), as: UTF8.self)
  }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The part of a path up to its last slash, with it.
  private static func directory(of path: String) -> String {
    path.utf8.lastIndex(of: UInt8(ascii: "/")).map {
      String(decoding: path.utf8[...$0], as: UTF8.self)
    } ?? ""
  }
}
