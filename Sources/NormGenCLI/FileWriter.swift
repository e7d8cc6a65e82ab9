package import NormGenFiles

/// A file to be written.
package struct EmittedFile: Hashable {
  /// The path below the output directory.
  package let path: String
  /// The contents.
  package let text: String

  /// A file with this path and these contents.
  package init(path: String, text: String) {
    self.path = path
    self.text = text
  }
}

/// Writes sets of files: no reader ever sees a part of a file.
package enum FileWriter {
  /// Writes files below a directory, which is made if it does not exist.
  ///
  /// Every file is written whole under a temporary name before the first one is renamed, so that a
  /// full disk changes nothing. Where a file may stand, `Destination` says.
  ///
  /// - Parameters:
  ///   - directory: The directory; empty for paths that stand by themselves, whose folders must exist.
  ///   - inputs: Files that are read, of which none may be replaced.
  /// - Returns: The paths written.
  package static func write(
    _ files: [EmittedFile], to directory: String, notReplacing inputs: [String] = []
  ) throws(TensorFileError) -> [String] {
    let paths = files.map { joined(directory, $0.path) }
    if !directory.isEmpty {
      for folder in Set(paths.map(Folder.parent)).sorted() { try Folder.make(folder) }
    }
    var pending: [PendingFile] = []
    for (file, destination) in zip(files, try Destination.all(paths, notReplacing: inputs)) {
      // Text can be made again: it need not wait for the disk.
      let unfinished = try PendingFile(destination, isSynchronized: false)
      try unfinished.append(Array(file.text.utf8))
      try unfinished.finish()
      pending.append(unfinished)
    }
    for file in pending { try file.commit() }
    return paths
  }

  /// Checks that a file may be written, before there is anything to write.
  package static func check(_ path: String, notReplacing inputs: [String] = [])
    throws(TensorFileError)
  {
    _ = try Destination.all([path], notReplacing: inputs)
  }

  /// A path below a directory; the current directory is not spelt out.
  static func joined(_ directory: String, _ path: String) -> String {
    if directory.isEmpty || directory == "." { return path }
    return directory.utf8.last == UInt8(ascii: "/") ? directory + path : "\(directory)/\(path)"
  }
}
