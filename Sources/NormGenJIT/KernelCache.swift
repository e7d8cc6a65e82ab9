internal import Foundation

/// Compiled objects kept on disk between processes.
///
/// An entry is found by a hash over everything that shaped it, and it carries a checksum: what
/// was truncated, damaged or written by another user is compiled again, never linked. Any number
/// of threads and processes may fill one directory at once; the last writer of an entry wins.
/// A directory that cannot be written is no error: the object is compiled, and
/// ``CachedObject/storeFailure`` says why it was not kept. The directory may hold other files:
/// only regular files of this user's with the full names that the cache gives are ever removed or
/// replaced, or links with such a name.
package struct KernelCache: Sendable, Hashable {
  /// Where the entries lie; nil keeps nothing.
  package let directory: String?
  /// About how many bytes of entries are kept. The oldest used go first.
  package let byteLimit: Int

  /// 512 MiB: some hundred thousand kernels.
  package static let defaultByteLimit = 512 << 20

  /// Keeps about `byteLimit` bytes of objects in `directory`, which is made when needed.
  package init(directory: String?, byteLimit: Int = KernelCache.defaultByteLimit) {
    self.directory = directory
    self.byteLimit = byteLimit
  }

  /// A cache that keeps nothing.
  package static let disabled = KernelCache(directory: nil)

  /// The cache that the environment names.
  ///
  /// `NORMGEN_CACHE` is a directory, or `off`. Without it the directory is `normgen` in
  /// `XDG_CACHE_HOME`, or else in `~/.cache`.
  package static func standard(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> KernelCache {
    func named(_ variable: String) -> String? {
      environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }
    if let named = named("NORMGEN_CACHE") {
      return named == "off" ? .disabled : KernelCache(directory: named)
    }
    // The XDG specification says to ignore a relative path.
    if let base = named("XDG_CACHE_HOME"), base.hasPrefix("/") {
      return KernelCache(directory: base + "/normgen")
    }
    return KernelCache(directory: named("HOME").map { $0 + "/.cache/normgen" })
  }

  /// Returns the object kept under `key`, or makes it with `compile` and keeps it.
  ///
  /// What other headers than the compiler's own went into is not kept: the key doesn't cover them.
  package func object(
    for key: Key, compile: () throws(JITError) -> ClangSession.Compilation
  ) throws(JITError) -> CachedObject {
    guard let directory else {
      return CachedObject(bytes: try compile().bytes, status: .disabled, storeFailure: nil)
    }
    switch Self.load(directory + "/" + Self.entryName(of: key), key: key) {
    case .object(let bytes): return CachedObject(bytes: bytes, status: .hit, storeFailure: nil)
    case .absent: return keep(try compile(), in: directory, for: key, .miss)
    case .defective(let defect):
      return keep(try compile(), in: directory, for: key, .rebuilt(defect))
    }
  }

  /// Makes the object of `key` anew in place of one that was kept but can't be used.
  ///
  /// - Parameter reason: Why it can't be used.
  package func replacement(
    for key: Key, reason: String, compile: () throws(JITError) -> ClangSession.Compilation
  ) throws(JITError) -> CachedObject {
    guard let directory else {
      return CachedObject(bytes: try compile().bytes, status: .disabled, storeFailure: nil)
    }
    // Gone even if the new one can't be made or kept.
    removeOwnFile(directory + "/" + Self.entryName(of: key))
    return keep(try compile(), in: directory, for: key, .rebuilt(.unusable(reason)))
  }

  private func keep(
    _ made: ClangSession.Compilation, in directory: String, for key: Key, _ status: Status
  ) -> CachedObject {
    guard made.readsOnlyOwnHeaders else {
      return CachedObject(
        bytes: made.bytes, status: status,
        storeFailure: "it includes headers that are not the compiler's own")
    }
    do throws(FileFailure) {
      try makeDirectory(directory)
      try replaceFile(
        directory + "/" + Self.entryName(of: key), with: Self.encoded(made.bytes, key: key))
    } catch {
      return CachedObject(bytes: made.bytes, status: status, storeFailure: error.description)
    }
    // To look at every entry after every compile would cost more than it frees.
    if key.digest[0] % 16 == 0 { removeOldest() }
    return CachedObject(bytes: made.bytes, status: status, storeFailure: nil)
  }
}

extension ClangSession {
  /// Loads the object of a source, compiled or from the cache.
  ///
  /// An object from the cache that `load` refuses is compiled again, once: a right checksum says
  /// only that an entry is what was written.
  ///
  /// - Parameter load: Makes of the object what the caller needs.
  package func loaded<Code>(
    source: String, fileName: String, options: CompileOptions, cache: KernelCache,
    _ load: (CachedObject) throws(JITError) -> Code
  ) throws(JITError) -> Code {
    let key = try KernelCache.Key(
      source: source, fileName: fileName, options: options, session: self)
    func compiled() throws(JITError) -> Compilation {
      try compile(.object, source: source, fileName: fileName, options: options)
    }
    let found = try cache.object(for: key, compile: compiled)
    do {
      return try load(found)
    } catch {
      guard found.status == .hit else { throw error }
      return try load(
        try cache.replacement(for: key, reason: error.description, compile: compiled))
    }
  }
}

/// An object, and where it came from.
package struct CachedObject: Sendable, Hashable {
  /// The ELF object.
  package let bytes: [UInt8]
  /// Whether the object was found or compiled.
  package let status: KernelCache.Status
  /// Why a compiled object was not kept; nil if it was, or was not to be.
  package let storeFailure: String?
}

extension KernelCache {
  /// How a request was answered.
  package enum Status: Sendable, Hashable {
    /// The object was read from the cache.
    case hit
    /// There was no entry; the object was compiled.
    case miss
    /// There was an unusable entry; the object was compiled.
    case rebuilt(Defect)
    /// Nothing is kept; the object was compiled.
    case disabled
  }

  /// Why an entry was not used.
  package enum Defect: Sendable, Hashable, CustomStringConvertible {
    /// The file is shorter than it says.
    case truncated
    /// The file is longer than it says.
    case overlong
    /// The file does not start as an entry of this format does.
    case notAnEntry
    /// The entry is of another key.
    case wrongKey
    /// The object differs from its checksum.
    case wrongChecksum
    /// The file belongs to another user, or others may write it.
    case untrusted
    /// The file cannot be read.
    case unreadable(String)
    /// The object is the one that was written, but can't be linked or lacks a function.
    case unusable(String)

    /// The defect in words, after "the entry of the cache".
    package var description: String {
      switch self {
      case .truncated: "is shorter than it says"
      case .overlong: "is longer than it says"
      case .notAnEntry: "does not begin as an entry does"
      case .wrongKey: "belongs to another key"
      case .wrongChecksum: "differs from its checksum"
      case .untrusted: "is not a regular file that only this user may write"
      case .unreadable(let reason): "cannot be read: \(reason)"
      case .unusable(let reason): "cannot be used: \(reason)"
      }
    }
  }

  /// The identity of an object: a hash over everything that shapes its bytes.
  package struct Key: Sendable, Hashable, CustomStringConvertible {
    /// 32 bytes.
    let digest: [UInt8]

    /// The key of the object that `session` makes of this source with these options.
    ///
    /// It covers the compiler's own headers. Objects that others went into are not kept.
    package init(
      source: String, fileName: String, options: CompileOptions, session: ClangSession
    ) throws(JITError) {
      let arguments = try session.cc1Arguments(for: options)
      self.init(
        fields: [try session.identity(for: options), session.hostCPU, fileName, source]
          + arguments)
    }

    /// The key of a list of texts, their borders included.
    init(fields: [String]) {
      var hash = SHA256()
      hash.update(KernelCache.magic)
      for field in fields { hash.update(field: field.utf8) }
      digest = hash.finalized()
    }

    /// 64 hexadecimal digits.
    package var description: String {
      let digits = Array("0123456789abcdef".utf8)
      return String(
        decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
  }
}
