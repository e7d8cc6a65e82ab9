internal import Foundation

/// Why a file operation failed.
enum FileFailure: Error, Hashable, CustomStringConvertible {
  case absent
  /// Not a regular file, of another user, or writable by others.
  case untrusted(path: String)
  case overlong(path: String, byteLimit: Int)
  /// In the place of a file that this user may replace is another user's, or no file.
  case foreign(path: String)
  case system(operation: String, path: String, code: CInt)

  /// The failure with the system's words for it.
  var description: String {
    switch self {
    case .absent: "no such file"
    case .untrusted(let path): "\(path) is not a regular file that only this user may write"
    case .foreign(let path): "\(path) is another user's, or no file"
    case .overlong(let path, let limit): "\(path) is longer than \(limit) bytes"
    case .system(let operation, let path, let code):
      "\(operation) \(path): \(String(cString: strerror(code)))"
    }
  }

  fileprivate static func last(_ operation: String, _ path: String) -> FileFailure {
    errno == ENOENT ? .absent : .system(operation: operation, path: path, code: errno)
  }
}

/// Reads a regular file that only this user may write, and marks it as used now.
func readOwnFile(_ path: String, byteLimit: Int) throws(FileFailure) -> [UInt8] {
  guard !path.utf8.contains(0) else { throw .absent }
  // Not to block on a pipe that somebody put there.
  let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
  guard file >= 0 else {
    throw errno == ELOOP ? .untrusted(path: path) : .last("open", path)
  }
  defer { close(file) }
  var status = stat()
  guard fstat(file, &status) == 0 else { throw .last("stat", path) }
  guard status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_mode & 0o022 == 0
  else { throw .untrusted(path: path) }
  guard status.st_size <= byteLimit else { throw .overlong(path: path, byteLimit: byteLimit) }
  // The time of last use orders removal; that it cannot be set harms nothing.
  _ = futimens(file, nil)

  var code: CInt = 0
  let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
    while count < buffer.count {
      let got = read(file, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      if got > 0 {
        count += got
      } else if got == 0 {
        return
      } else if errno != EINTR {
        code = errno
        return
      }
    }
  }
  guard code == 0 else { throw .system(operation: "read", path: path, code: code) }
  return bytes
}

/// Puts a file in place whole: no reader ever sees a part of it.
///
/// What is replaced is a file of this user's, or a link of this user's, not what it leads to.
func replaceFile(_ path: String, with bytes: [UInt8]) throws(FileFailure) {
  var status = stat()
  if lstat(path, &status) == 0 {
    let kind = status.st_mode & S_IFMT
    guard status.st_uid == geteuid(), kind == S_IFREG || kind == S_IFLNK else {
      throw .foreign(path: path)
    }
  }
  let temporary = unfinishedName(of: path)
  let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
  guard file >= 0 else { throw .system(operation: "create", path: temporary, code: errno) }
  do throws(FileFailure) {
    try writeAll(bytes, to: file, path: temporary)
    guard rename(temporary, path) == 0 else {
      throw .system(operation: "rename to", path: path, code: errno)
    }
  } catch {
    unlink(temporary)
    throw error
  }
}

/// What the names of unfinished files end in.
let temporarySuffix = ".tmp"

/// The name under which a file is written: its own, the process, 16 hexadecimal digits and the
/// suffix.
private func unfinishedName(of path: String) -> String {
  let digits = String(UInt64.random(in: .min ... .max), radix: 16)
  let unique = String(repeating: "0", count: 16 - digits.count) + digits
  return "\(path).\(getpid()).\(unique)\(temporarySuffix)"
}

/// The name of the file that a name of ``unfinishedName(of:)`` was made of; nil for other names.
func finishedName(ofUnfinished name: String) -> Substring? {
  guard name.hasSuffix(temporarySuffix) else { return nil }
  let parts = name.dropLast(temporarySuffix.count)
    .split(separator: ".", omittingEmptySubsequences: false)
  guard parts.count >= 3, let unique = parts.last, unique.utf8.count == 16,
    unique.allSatisfy({ $0.isASCII && $0.isHexDigit && !$0.isUppercase }),
    let process = parts.dropLast().last, !process.isEmpty,
    process.allSatisfy({ $0.isASCII && $0.isNumber })
  else { return nil }
  return name.dropLast(temporarySuffix.count + unique.count + process.count + 2)
}

/// Removes a regular file of this user's; anything else stays, links among it.
func removeOwnFile(_ path: String) {
  var status = stat()
  guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
    status.st_uid == geteuid()
  else { return }
  unlink(path)
}

/// Writes all bytes and closes the file.
private func writeAll(_ bytes: [UInt8], to file: CInt, path: String) throws(FileFailure) {
  var code: CInt = 0
  bytes.withUnsafeBytes { buffer in
    var done = 0
    while done < buffer.count {
      let written = write(file, buffer.baseAddress.map { $0 + done }, buffer.count - done)
      if written >= 0 {
        done += written
      } else if errno != EINTR {
        code = errno
        return
      }
    }
  }
  // Some file systems report a full disk only here.
  if close(file) != 0, code == 0 { code = errno }
  guard code == 0 else { throw .system(operation: "write", path: path, code: code) }
}

/// Makes a directory and those above it, for this user only.
func makeDirectory(_ path: String) throws(FileFailure) {
  guard !path.utf8.contains(0) else {
    throw .system(operation: "make directory", path: path, code: ENOENT)
  }
  if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
  guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
    throw .system(operation: "make directory", path: path, code: errno)
  }
  try makeDirectory(String(path[..<slash]))
  guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
    throw .system(operation: "make directory", path: path, code: errno)
  }
}
