import Foundation
import Testing

@testable import NormGenJIT

/// The cache is tested without a compiler: its entries are bytes.
struct KernelCacheTests {
  let key = KernelCache.Key(fields: ["a source", "-O3"])
  let object = (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  private func entryPath(_ directory: String) -> String { "\(directory)/\(key).ngobj" }

  private func names(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory)
  }

  private func request(_ cache: KernelCache) throws -> CachedObject {
    try cache.object(for: key) { made(object) }
  }

  private func made(_ bytes: [UInt8], readsOnlyOwnHeaders: Bool = true) -> ClangSession.Compilation
  {
    ClangSession.Compilation(
      bytes: bytes, diagnostics: "", readsOnlyOwnHeaders: readsOnlyOwnHeaders)
  }

  private func setAge(_ seconds: Int, of path: String) throws {
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -Double(seconds))], ofItemAtPath: path)
  }

  private func put(_ bytes: [UInt8], at path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    #expect(chmod(path, 0o600) == 0)
  }

  @Test func missThenHit() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory + "/made/on/demand")
      #expect(try request(cache) == CachedObject(bytes: object, status: .miss, storeFailure: nil))
      let again = try cache.object(for: key) { made([]) }
      #expect(again == CachedObject(bytes: object, status: .hit, storeFailure: nil))
      #expect(try names(directory + "/made/on/demand") == ["\(key).ngobj"])
    }
  }

  @Test func failedCompilationKeepsNothing() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let failure = JITError.compilation(file: "f.c", diagnostics: "bad")
      #expect(throws: failure) {
        try KernelCache(directory: directory).object(for: key) { () throws(JITError) in
          throw failure
        }
      }
      #expect(try names(directory).isEmpty)
    }
  }

  @Test func everyFlippedByteOfTheHeaderIsNoticed() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory)
      let entry = KernelCache.encoded(object, key: key)
      // All of the header; then a sample of the object, its last byte included.
      let positions =
        Array(0..<KernelCache.headerByteCount)
        + stride(from: KernelCache.headerByteCount, to: entry.count, by: 97) + [entry.count - 1]
      for position in positions {
        var damaged = entry
        damaged[position] ^= 1 << UInt8(position % 8)
        try put(damaged, at: entryPath(directory))
        let found = try request(cache)
        let expected: KernelCache.Defect? =
          switch position {
          case 0..<8: .notAnEntry
          case 8..<40: .wrongKey
          case 40..<48: nil
          default: .wrongChecksum
          }
        if let expected {
          #expect(found.status == .rebuilt(expected), "byte \(position)")
        } else {
          let defects: [KernelCache.Status] = [.rebuilt(.truncated), .rebuilt(.overlong)]
          #expect(defects.contains(found.status), "byte \(position)")
        }
        #expect(found.bytes == object)
        #expect(try request(cache).status == .hit)
      }
    }
  }

  @Test func everyTruncationIsNoticed() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory)
      let entry = KernelCache.encoded(object, key: key)
      for count in Array(0...81) + [1000, entry.count - 1] {
        try put(Array(entry.prefix(count)), at: entryPath(directory))
        #expect(try request(cache).status == .rebuilt(.truncated), "\(count) bytes")
        #expect(try request(cache).status == .hit)
      }
      try put(entry + [0], at: entryPath(directory))
      #expect(try request(cache).status == .rebuilt(.overlong))
    }
  }

  @Test func entriesThatOthersMayWriteAreNotTrusted() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory)
      _ = try request(cache)
      #expect(chmod(entryPath(directory), 0o666) == 0)
      #expect(try request(cache).status == .rebuilt(.untrusted))
      #expect(try request(cache).status == .hit)
      // A link may lead anywhere.
      #expect(rename(entryPath(directory), directory + "/elsewhere") == 0)
      #expect(symlink(directory + "/elsewhere", entryPath(directory)) == 0)
      #expect(try request(cache).status == .rebuilt(.untrusted))
      #expect(try request(cache).status == .hit)
    }
  }

  @Test func unwritableDirectoryIsReportedNotThrown() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      // A file where the directory should be stops even the superuser.
      try put([], at: directory + "/file")
      let found = try request(KernelCache(directory: directory + "/file/cache"))
      #expect(found.bytes == object)
      #expect(found.storeFailure?.contains("Not a directory") == true)
      // A directory in the place of the entry.
      #expect(mkdir(entryPath(directory), 0o700) == 0)
      let blocked = try request(KernelCache(directory: directory))
      #expect(blocked.status == .rebuilt(.untrusted) && blocked.storeFailure != nil)
      #expect(try names(directory).allSatisfy { !$0.hasSuffix(temporarySuffix) })
    }
  }

  @Test func sizeStaysBounded() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let entryByteCount = object.count + KernelCache.headerByteCount
      let cache = KernelCache(directory: directory, byteLimit: 4 * entryByteCount)
      for index in 0..<64 {
        _ = try cache.object(for: KernelCache.Key(fields: ["\(index)"])) { made(object) }
      }
      let unfinished = "\(key).ngobj.4711.0123456789abcdef.tmp"
      try put([1], at: directory + "/" + unfinished)
      try setAge(7200, of: directory + "/" + unfinished)
      #expect(try names(directory).count < 64)
      // The entry used last survives.
      let used = try names(directory).filter { $0.hasSuffix(".ngobj") }.sorted()[0]
      for name in try names(directory) where name.hasSuffix(".ngobj") && name != used {
        try setAge(60, of: directory + "/" + name)
      }
      cache.removeOldest()
      let left = try names(directory)
      #expect(left.count == 4 && left.contains(used))
    }
  }

  /// Files of other programs in the directory, as old as any and too many for the limit.
  @Test func onlyFilesWithNamesOfTheCacheAreRemoved() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let digits = key.description
      let others = [
        "unfinished.tmp", "a.ngobj", ".tmp", ".ngobj", "\(digits).o", "\(digits)0.ngobj",
        "\(digits.dropLast()).ngobj", "\(digits.dropLast())G.ngobj", "\(digits.dropLast())A.ngobj",
        "x\(digits).ngobj", "\(digits).ngobj.tmp", "\(digits).ngobj.12.tmp",
        "\(digits).ngobj.12.0123456789abcde.tmp", "\(digits).ngobj.12.0123456789abcdeF.tmp",
        "\(digits).ngobj.pid.0123456789abcdef.tmp", "\(digits).ngobj..0123456789abcdef.tmp",
        "kernel.o.12.0123456789abcdef.tmp", "\(digits).ngobj.12.0123456789abcdef.tmp.tmp",
        "\(digits).ngobj.1.2.0123456789abcdef.tmp",
      ]
      let folders = ["\(KernelCache.Key(fields: ["folder"])).ngobj"]
      let link = "\(KernelCache.Key(fields: ["link"])).ngobj"
      for name in others {
        try put([1], at: directory + "/" + name)
        try setAge(7200, of: directory + "/" + name)
      }
      for name in folders { #expect(mkdir(directory + "/" + name, 0o700) == 0) }
      #expect(symlink(directory + "/a.ngobj", directory + "/" + link) == 0)
      _ = try request(KernelCache(directory: directory))
      KernelCache(directory: directory, byteLimit: 0).removeOldest()
      #expect(try names(directory).sorted() == (others + folders + [link]).sorted())
    }
  }

  @Test(.enabled(if: geteuid() == 0, "only the superuser can give files away"))
  func filesOfOtherUsersAreNeitherRemovedNorReplaced() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let unfinished = "\(key).ngobj.4711.0123456789abcdef.tmp"
      let entry = "\(key).ngobj"
      for name in [unfinished, entry] {
        try put([1], at: directory + "/" + name)
        try setAge(7200, of: directory + "/" + name)
        #expect(chown(directory + "/" + name, 65534, 65534) == 0)
      }
      let cache = KernelCache(directory: directory, byteLimit: 0)
      cache.removeOldest()
      let found = try request(cache)
      #expect(found.status == .rebuilt(.untrusted) && found.bytes == object)
      #expect(found.storeFailure?.contains("another user's") == true)
      #expect(try cache.replacement(for: key, reason: "bad") { made(object) }.storeFailure != nil)
      #expect(try names(directory).sorted() == [entry, unfinished])
      #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/" + entry)) == Data([1]))
    }
  }

  @Test func whatOtherHeadersWentIntoIsNotKept() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory)
      for _ in 0..<2 {
        let found = try cache.object(for: key) { made(object, readsOnlyOwnHeaders: false) }
        #expect(found.status == .miss && found.bytes == object)
        #expect(found.storeFailure?.contains("headers") == true)
      }
      #expect(try names(directory) == [])
    }
  }

  @Test func aLibraryWithAZeroByteInItsPathIsNotCutThere() {
    #expect(throws: JITError.library(path: "/a\0b", reason: "a path holds no zero byte")) {
      try SharedLibrary(path: "/a\0b")
    }
  }

  @Test func aDirectoryWithAZeroByteIsNotCutThere() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let found = try request(KernelCache(directory: directory + "/a\0b"))
      #expect(found.bytes == object && found.storeFailure != nil)
      #expect(try names(directory) == [])
    }
  }

  @Test func environmentNamesTheDirectory() {
    func directory(_ environment: [String: String]) -> String? {
      KernelCache.standard(environment: environment).directory
    }
    #expect(directory(["NORMGEN_CACHE": "/c", "HOME": "/h"]) == "/c")
    #expect(directory(["NORMGEN_CACHE": "off", "HOME": "/h"]) == nil)
    #expect(directory(["XDG_CACHE_HOME": "/x", "HOME": "/h"]) == "/x/normgen")
    #expect(directory(["XDG_CACHE_HOME": "x", "HOME": "/h"]) == "/h/.cache/normgen")
    #expect(directory(["NORMGEN_CACHE": "", "HOME": "/h"]) == "/h/.cache/normgen")
    #expect(directory([:]) == nil)
    #expect(KernelCache.standard(environment: ["HOME": "/h"]).byteLimit == 512 << 20)
  }

  @Test func keysSeparateTheirFields() {
    let keys: Set<KernelCache.Key> = [
      .init(fields: ["ab", "c"]), .init(fields: ["a", "bc"]), .init(fields: ["abc"]),
      .init(fields: ["ab", "c", ""]), .init(fields: []),
    ]
    #expect(keys.count == 5)
  }

  @Test func digestsAreThoseOfTheStandard() {
    func hex(_ bytes: [UInt8]) -> String {
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    #expect(
      hex(SHA256.digest(of: []))
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      hex(SHA256.digest(of: Array("abc".utf8)))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hex(SHA256.digest(of: Array(repeating: UInt8(ascii: "a"), count: 1_000_000)))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    // The padding needs a block of its own from 56 bytes on; pieces must not matter.
    for count in 50...70 {
      var pieces = SHA256()
      for _ in 0..<count { pieces.update([7]) }
      #expect(
        pieces.finalized() == SHA256.digest(of: Array(repeating: 7, count: count)))
    }
  }
}
