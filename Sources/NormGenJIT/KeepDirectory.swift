/// A directory where the source and the object of every kernel are left for inspection.
package struct KeepDirectory: Sendable, Hashable {
  /// The directory; it is made when the first file is written.
  package let path: String

  /// Leaves files in `path`.
  package init(path: String) {
    self.path = path
  }

  /// Writes a file called `name` after its kernel, replacing one of that name.
  package func write(_ bytes: some Sequence<UInt8>, name: String) throws(JITError) {
    // Names come from kernels: none may lead out of the directory.
    guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/"), !name.utf8.contains(0) else {
      throw .file(path: path, reason: "'\(name)' is no file name")
    }
    do throws(FileFailure) {
      try makeDirectory(path)
      try replaceFile(path + "/" + name, with: Array(bytes))
    } catch {
      throw .file(path: path + "/" + name, reason: error.description)
    }
  }
}

extension ClangSession {
  /// Compiles a kernel, or takes its object from the cache.
  ///
  /// - Parameters:
  ///   - kernel: the kernel's name; the source is called `<kernel>.c`.
  ///   - keep: where to leave `<kernel>.c` and `<kernel>.o`. The source is written first, so that
  ///     it can be read when it does not compile.
  package func object(
    kernel: String, source: String, options: CompileOptions, cache: KernelCache,
    keep: KeepDirectory? = nil
  ) throws(JITError) -> CachedObject {
    let fileName = kernel + ".c"
    try keep?.write(source.utf8, name: fileName)
    let key = try KernelCache.Key(
      source: source, fileName: fileName, options: options, session: self)
    let made = try cache.object(for: key) { () throws(JITError) in
      try compile(.object, source: source, fileName: fileName, options: options)
    }
    try keep?.write(made.bytes, name: kernel + ".o")
    return made
  }
}
