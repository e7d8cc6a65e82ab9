internal import Foundation

/// A file that is written under a temporary name and then takes its place whole.
///
/// Until ``commit()`` the old file, if any, is untouched; without it the temporary one vanishes, also where
/// a signal ends the process, see ``PendingNames``. Where the file may stand, ``Destination`` says.
package final class PendingFile {
  /// The path as given.
  package let path: String
  private let destination: Destination
  private let temporary: String
  private let name: PendingNames.Name
  private let isSynchronized: Bool
  private var descriptor: CInt?
  private var isCommitted = false

  /// Creates the temporary file beside the destination.
  convenience init(replacing path: String) throws(TensorFileError) {
    try self.init(try Destination(path))
  }

  /// Creates the temporary file beside the destination.
  ///
  /// - Parameter isSynchronized: Whether the bytes are on the disk before the file takes its place.
  package init(_ destination: Destination, isSynchronized: Bool = true) throws(TensorFileError) {
    AbandonedFiles.remove(in: destination.folder)
    let temporary = destination.folder + AbandonedFiles.newName()
    let name = PendingNames.add(temporary)
    let descriptor = temporary.withSystemText {
      open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
    }
    guard descriptor >= 0 else {
      let code = errno
      PendingNames.remove(name)
      throw .system(operation: "create", file: destination.path, code: code)
    }
    if let mode = destination.mode { fchmod(descriptor, mode) }
    self.path = destination.path
    self.destination = destination
    self.temporary = temporary
    self.name = name
    self.isSynchronized = isSynchronized
    self.descriptor = descriptor
  }

  deinit {
    if let descriptor { close(descriptor) }
    if !isCommitted { temporary.withSystemText { _ = unlink($0) } }
    PendingNames.remove(name)
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
  package func append(_ bytes: [UInt8]) throws(TensorFileError) {
    try bytes.withUnsafeBufferPointer { buffer throws(TensorFileError) in
      try append(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Closes the temporary file; no error of writing can come later.
  package func finish() throws(TensorFileError) {
    guard let descriptor else { return }
    self.descriptor = nil
    var code: CInt = !isSynchronized || fsync(descriptor) == 0 ? 0 : errno
    // Some file systems can't synchronize, and some report a full disk only when closing.
    if code == EINVAL || code == EROFS { code = 0 }
    if close(descriptor) != 0, code == 0 { code = errno }
    guard code == 0 else { throw .system(operation: "write", file: path, code: code) }
  }

  /// Puts the finished file in its place.
  package func commit() throws(TensorFileError) {
    try finish()
    let result = temporary.withSystemText { from in
      destination.resolved.withSystemText { to in rename(from, to) }
    }
    guard result == 0 else { throw .system(operation: "replace", file: path, code: errno) }
    isCommitted = true
  }
}
