internal import Foundation

/// The place of a file to be written, found by the rule of all writers.
///
/// What is there must be a regular file that may be written, and is replaced whole; its permissions stay. A
/// symbolic link stands for its file and stays a link. Refused are links to nothing, directories, devices,
/// pipes, read-only files, whoever asks, and the file that standard output goes to. The folder must exist.
package struct Destination {
  /// The path as given.
  package let path: String
  /// The path without links: the same for all spellings.
  let resolved: String
  /// The file that is replaced, if there is one.
  let identity: FileIdentity?
  /// The permissions of the file that is replaced.
  let mode: mode_t?

  /// Looks at what a path leads to; nothing is changed.
  package init(_ path: String) throws(TensorFileError) {
    guard !path.isEmpty else { throw .reference(path, expected: "a file's name") }
    guard !path.utf8.contains(0) else {
      throw .system(operation: "create", file: path, code: ENOENT)
    }
    self.path = path
    var status = stat()
    guard path.withSystemText({ lstat($0, &status) }) == 0 else {
      guard errno == ENOENT else { throw .system(operation: "create", file: path, code: errno) }
      resolved = try Destination.place(ofNew: path)
      (identity, mode) = (nil, nil)
      return
    }
    guard path.withSystemText({ stat($0, &status) }) == 0 else {
      guard errno == ENOENT else { throw .system(operation: "write", file: path, code: errno) }
      throw .danglingLink(file: path, target: Destination.target(ofLink: path))
    }
    guard status.st_mode.isRegularFile else {
      throw .notRegular(file: path, found: status.st_mode.fileKind)
    }
    guard status.st_mode & 0o222 != 0 else { throw .readOnly(file: path) }
    guard path.withSystemText({ access($0, W_OK) }) == 0 else {
      throw .system(operation: "write", file: path, code: errno)
    }
    let identity = FileIdentity(status)
    for output in [STDOUT_FILENO, STDERR_FILENO] {
      var open = stat()
      if fstat(output, &open) == 0, FileIdentity(open) == identity {
        throw .standardOutput(file: path)
      }
    }
    guard let resolved = Destination.resolved(path) else {
      throw .system(operation: "write", file: path, code: errno)
    }
    self.resolved = resolved
    self.identity = identity
    mode = status.st_mode & 0o777
  }

  /// The destinations of files that are written together.
  ///
  /// - Parameters:
  ///   - paths: The files, each of its own.
  ///   - inputs: Files that are read, of which none may be replaced.
  package static func all(
    _ paths: [String], notReplacing inputs: [String] = []
  ) throws(TensorFileError) -> [Destination] {
    var all: [Destination] = []
    var names: [[UInt8]: String] = [:]
    var identities: [FileIdentity: String] = [:]
    for path in paths {
      let destination = try Destination(path)
      let other =
        names.updateValue(path, forKey: Array(destination.resolved.utf8))
        ?? destination.identity.flatMap { identities.updateValue(path, forKey: $0) }
      if let other {
        throw other == path ? .writtenTwice(file: path, tensor: nil) : .oneFile(other, path)
      }
      all.append(destination)
    }
    try check(all, notReplacing: inputs)
    return all
  }

  /// Checks that no destination is one of the files that are read.
  static func check(
    _ destinations: [Destination], notReplacing inputs: [String]
  ) throws(TensorFileError) {
    let read = inputs.map { (path: $0, identity: FileIdentity(ofFileAt: $0)) }
    for destination in destinations {
      guard let identity = destination.identity else { continue }
      if let input = read.first(where: { $0.identity == identity }) {
        throw .replacesInput(file: destination.path, input: input.path)
      }
    }
  }

  /// Whether two outputs lead to one file.
  func isSameFile(as other: Destination) -> Bool {
    if let identity, identity == other.identity { return true }
    return resolved.utf8.elementsEqual(other.resolved.utf8)
  }

  /// The folder that the file stands in, with a slash.
  var folder: String {
    let parent = Folder.parent(of: resolved)
    return parent == "/" ? parent : parent + "/"
  }

  /// Where a file that does not exist will stand.
  private static func place(ofNew path: String) throws(TensorFileError) -> String {
    let bytes = Array(path.utf8)
    guard bytes.last != UInt8(ascii: "/") else {
      throw .system(operation: "create", file: path, code: EISDIR)
    }
    let folder = Folder.parent(of: path)
    guard let parent = resolved(folder) else {
      throw .system(operation: "create", file: path, code: errno)
    }
    guard folder.withSystemText({ access($0, W_OK | X_OK) }) == 0 else {
      throw .system(operation: "create", file: path, code: errno)
    }
    let name = bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[($0 + 1)...] } ?? bytes[...]
    return (parent == "/" ? "" : parent) + "/" + String(decoding: name, as: UTF8.self)
  }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = path.withSystemText({ realpath($0, nil) }) else { return nil }
    defer { free(resolved) }
    return SystemText.text(
      of: UnsafeBufferPointer(start: resolved, count: strlen(resolved)).map(UInt8.init(bitPattern:))
    )
  }

  private static func target(ofLink path: String) -> String {
    var bytes = [CChar](repeating: 0, count: 4096)
    let count = path.withSystemText { readlink($0, &bytes, bytes.count) }
    return SystemText.text(of: bytes.prefix(max(count, 0)).map(UInt8.init(bitPattern:)))
  }
}
