import Foundation
import Testing

@testable import NormGenJIT

@Suite(.enabled(if: hasCompiler))
struct LoadedObjectTests {
  let session: ClangSession

  init() throws { session = try ClangSession.shared() }

  private func load(_ source: String, name: String = "kernel") throws -> LoadedObject {
    let object = try session.object(source: source, fileName: name + ".c", options: .host)
    return try LoadedObject(object: object, name: name)
  }

  @Test func compiledFunctionComputes() throws {
    typealias Norm =
      @convention(c) (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, Float)
      -> Void
    let loaded = try load(Sample.norm)
    let norm = unsafeBitCast(try loaded.address(of: "rms_norm"), to: Norm.self)
    var y = [Float](repeating: 0, count: 2)
    norm([1, 7], &y, 2, 0)
    #expect(y == [0.2, 1.4])
    withExtendedLifetime(loaded) {}
  }

  @Test func absentSymbolIsNamed() throws {
    let loaded = try load(Sample.add, name: "sum")
    #expect(throws: JITError.missingSymbol(names: ["subtract"], object: "sum")) {
      try loaded.address(of: "subtract")
    }
    // A name that the process has is not one that the object defines.
    #expect(throws: JITError.missingSymbol(names: ["malloc"], object: "sum")) {
      try loaded.address(of: "malloc")
    }
    _ = try loaded.address(of: "add")
  }

  @Test func undefinedReferencesAreNamed() throws {
    let loaded = try load(
      "int no_such_b(void); int no_such_a(void);\n"
        + "int f(void) { return no_such_a() + no_such_b(); }\n", name: "calls")
    #expect(throws: JITError.missingSymbol(names: ["no_such_a", "no_such_b"], object: "calls")) {
      try loaded.address(of: "f")
    }
  }

  @Test func functionsOfTheProcessCanBeCalled() throws {
    typealias Length = @convention(c) (UnsafePointer<CChar>) -> Int
    let loaded = try load(
      "unsigned long strlen(const char *);\n"
        + "long length(const char *s) { return (long)strlen(s) + 1; }\n")
    let length = unsafeBitCast(try loaded.address(of: "length"), to: Length.self)
    #expect(length("seven77") == 8)
    withExtendedLifetime(loaded) {}
  }

  @Test func objectsMayUseTheSameNames() throws {
    typealias Value = @convention(c) () -> Int32
    let loaded = try (0..<8).map { try load("int value(void) { return \($0); }\n") }
    for (index, object) in loaded.enumerated() {
      #expect(unsafeBitCast(try object.address(of: "value"), to: Value.self)() == Int32(index))
    }
    withExtendedLifetime(loaded) {}
  }

  @Test(arguments: [[], Array("not an object".utf8), [0x7f, 0x45, 0x4c, 0x46]] as [[UInt8]])
  func otherBytesAreRefused(_ bytes: [UInt8]) {
    #expect {
      _ = try LoadedObject(object: bytes, name: "bytes")
    } throws: { error in
      guard case .link("bytes", _)? = error as? JITError else { return false }
      return true
    }
  }

  @Test func objectsOfOtherMachinesAreRefused() throws {
    #if arch(x86_64)
      let foreign = Sample.arm
    #else
      let foreign = Sample.baseline
    #endif
    let object = try session.object(source: Sample.add, fileName: "add.c", options: foreign)
    #expect {
      _ = try LoadedObject(object: object, name: "foreign")
    } throws: { "\($0)".contains("the object is for") }
  }

  /// A line of `/proc/self/maps`.
  private struct Mapping {
    let range: Range<UInt>
    let permissions: String
    let line: String

    init?(_ line: Substring) {
      let fields = line.split(separator: " ")
      guard fields.count >= 2 else { return nil }
      let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      guard ends.count == 2 else { return nil }
      range = ends[0]..<ends[1]
      permissions = String(fields[1])
      self.line = String(line)
    }

    var isWritableAndExecutable: Bool { permissions.contains("w") && permissions.contains("x") }

    static func all() throws -> [Mapping] {
      try LoadedObjectTests.memoryMaps().split(separator: "\n").compactMap { Mapping($0) }
    }
  }

  @Test func noPageIsWritableAndExecutable() throws {
    typealias Next = @convention(c) () -> Int32
    let source = "int counter; int next(void) { return ++counter; }\n"
    let loaded = try (0..<8).map { _ in try load(source) }
    let addresses = try loaded.map { try $0.address(of: "next") }
    for address in addresses { #expect(unsafeBitCast(address, to: Next.self)() == 1) }
    let mappings = try Mapping.all()
    for mapping in mappings { #expect(!mapping.isWritableAndExecutable, "\(mapping.line)") }
    for address in addresses {
      let code = try #require(mappings.first { $0.range.contains(UInt(bitPattern: address)) })
      #expect(code.permissions.hasPrefix("r-x"), "\(code.line)")
    }
    withExtendedLifetime(loaded) {}

    // The same look at the process finds a page that breaks the rule.
    let length = Int(sysconf(Int32(_SC_PAGESIZE)))
    let planted = mmap(
      nil, length, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    try #require(planted != MAP_FAILED)
    defer { munmap(planted, length) }
    let broken = try Mapping.all().filter(\.isWritableAndExecutable)
    #expect(broken.contains { $0.range.contains(UInt(bitPattern: planted)) })
  }

  @Test func codeIsUnmappedWithItsObject() throws {
    let object = try session.object(source: Sample.add, fileName: "add.c", options: .host)
    for _ in 0..<400 { _ = try callAdd(object, 1, 1) }
    // Tests that run meanwhile hold some objects; 400 that stayed would be seen.
    let anonymousCode = try Self.memoryMaps().split(separator: "\n").count { line in
      let fields = line.split(separator: " ")
      return fields[1].contains("x") && fields.count == 5
    }
    #expect(anonymousCode < 100)
  }

  /// The text of `/proc/self/maps`: the kernel hands it out in pieces, and its length as zero.
  fileprivate static func memoryMaps() throws -> String {
    let file = try #require(FileHandle(forReadingAtPath: "/proc/self/maps"))
    defer { try? file.close() }
    var bytes = Data()
    while let piece = try file.read(upToCount: 1 << 16), !piece.isEmpty, bytes.count < 1 << 26 {
      bytes.append(piece)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
