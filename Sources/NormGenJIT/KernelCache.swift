internal import Foundation

/// Compiled objects kept on disk between processes.
///
/// An entry is found by a hash over everything that shaped it, and it carries a checksum: what
/// was truncated, damaged or written by another user is compiled again, never linked. Any number
/// of threads and processes may fill one directory at once; the last writer of an entry wins.
/// A directory that cannot be written is no error: the object is compiled, and
/// ``CachedObject/storeFailure`` says why it was not kept.
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
  package func object(
    for key: Key, compile: () throws(JITError) -> [UInt8]
  ) throws(JITError) -> CachedObject {
    guard let directory else {
      return CachedObject(bytes: try compile(), status: .disabled, storeFailure: nil)
    }
    let path = directory + "/" + key.description + Self.entrySuffix
    let status: Status
    switch Self.load(path, key: key) {
    case .object(let bytes): return CachedObject(bytes: bytes, status: .hit, storeFailure: nil)
    case .absent: status = .miss
    case .defective(let defect): status = .rebuilt(defect)
    }
    let bytes = try compile()
    do throws(FileFailure) {
      try makeDirectory(directory)
      try replaceFile(path, with: Self.encoded(bytes, key: key))
    } catch {
      return CachedObject(bytes: bytes, status: status, storeFailure: error.description)
    }
    // To look at every entry after every compile would cost more than it frees.
    if key.digest[0] % 16 == 0 { removeOldest() }
    return CachedObject(bytes: bytes, status: status, storeFailure: nil)
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
  package enum Defect: Sendable, Hashable {
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
  }

  /// The identity of an object: a hash over everything that shapes its bytes.
  package struct Key: Sendable, Hashable, CustomStringConvertible {
    /// 32 bytes.
    let digest: [UInt8]

    /// The key of the object that `session` makes of this source with these options.
    ///
    /// Headers that the source includes are not part of it: a cached source is self-contained.
    package init(
      source: String, fileName: String, options: CompileOptions, session: ClangSession
    ) throws(JITError) {
      let arguments = try session.cc1Arguments(for: options)
      self.init(
        fields: [session.version, session.hostCPU, fileName, source] + arguments)
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
