import Foundation
import Testing

@testable import NormGenJIT

/// The environment does not reach the compiler, nor do files that are not the compiler's.
@Suite(.enabled(if: hasCompiler))
struct EnvironmentTests {
  private static let expectedVariable = "NORMGEN_TEST_COMPILATION"

  private static let source = """
    #include <stddef.h>
    #include <stdint.h>
    #if __has_include("twice.h")
    #include "twice.h"
    #endif
    int64_t twice(int64_t a) { return 2 * a; }
    const char *day(void) { return __DATE__ " " __TIME__; }

    """

  private static let options = [
    CompileOptions.host, Sample.baseline, Sample.arm, CompileOptions(arguments: ["-O1", "-g"]),
  ]

  /// The compiler's arguments, identity and objects, as text.
  private static func compilation() throws -> String {
    let session = try ClangSession.shared()
    // With LLVM 14 the date is the day's.
    let source =
      session.version.hasPrefix("14.")
      ? source.replacing("__DATE__", with: "\"\"").replacing("__TIME__", with: "\"\"") : source
    var hash = SHA256()
    var arguments: [String] = []
    for options in options {
      arguments += try session.cc1Arguments(for: options)
      arguments.append(try session.identity(for: options))
      hash.update(
        field: try session.object(source: source, fileName: "twice.c", options: options))
    }
    return arguments.joined(separator: "\n") + "\n\(hash.finalized())"
  }

  /// Runs in a process of its own, started by the test below.
  @Test(.enabled(if: ProcessInfo.processInfo.environment[expectedVariable] != nil))
  func compilationInAnotherEnvironment() throws {
    let expected = ProcessInfo.processInfo.environment[Self.expectedVariable]
    // All lines, so that a failure shows which ones differ.
    let lines = try Self.compilation().split(separator: "\n")
    #expect(lines == expected?.split(separator: "\n"))
  }

  /// All variables that Clang's libraries read, and those of the program `clang`.
  private static func hostile(_ directory: String) -> [String: String] {
    var values: [String: String] = [
      "SOURCE_DATE_EPOCH": "1000000000", "CCC_OVERRIDE_OPTIONS": "# +-DPLANTED +-ffast-math",
      "RC_DEBUG_OPTIONS": "1", "RC_DEBUG_PREFIX_MAP": ".=/planted",
      "MACOSX_DEPLOYMENT_TARGET": "10.9", "CC_PRINT_OPTIONS": "1", "CC_LOG_DIAGNOSTICS": "1",
      "CLANG_CONFIG_FILE_USER_DIR": directory, "CLANG_CONFIG_FILE_SYSTEM_DIR": directory,
      "CFLAGS": "-DPLANTED", "QA_OVERRIDE_GCC3_OPTIONS": "+-DPLANTED", "COLUMNS": "20",
      "TERM": "xterm-256color", "CLICOLOR_FORCE": "1",
    ]
    for name in [
      "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH",
      "OBJCPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "SDKROOT",
      "CLANG_MODULE_CACHE_PATH", "CLANG_CRASH_DIAGNOSTICS_DIR", "ROCM_PATH", "HIP_PATH",
      "HIP_DEVICE_LIB_PATH", "SCE_ORBIS_SDK_DIR", "SCE_PROSPERO_SDK_DIR", "XDG_CONFIG_HOME", "HOME",
      "LLVM_OVERRIDE_PRODUCER",
    ] { values[name] = directory }
    return values
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment[expectedVariable] == nil))
  func noVariableOfTheEnvironmentChangesAnObject() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      for name in ["stdint.h", "stddef.h", "twice.h"] {
        try "#error planted\n".write(
          toFile: directory + "/" + name, atomically: true, encoding: .utf8)
      }
      try FileManager.default.createDirectory(
        atPath: directory + "/.config", withIntermediateDirectories: true)
      for name in ["clang.cfg", ".config/clang.cfg", "x86_64-pc-linux-gnu.cfg"] {
        try "-DPLANTED -ffast-math\n".write(
          toFile: directory + "/" + name, atomically: true, encoding: .utf8)
      }
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      process.arguments = [
        "--testing-library", "swift-testing", "--filter", "compilationInAnotherEnvironment",
      ]
      process.currentDirectoryURL = URL(fileURLWithPath: directory)
      process.environment = ProcessInfo.processInfo.environment
        .merging(Self.hostile(directory)) { $1 }
        .merging([Self.expectedVariable: try Self.compilation()]) { $1 }
      let output = Pipe()
      process.standardOutput = output
      process.standardError = output
      try process.run()
      let text = String(
        decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationReason == .exit && process.terminationStatus == 0, "\(text)")
      #expect(text.contains("compilationInAnotherEnvironment"))
    }
  }

  @Test func sourcesOfKernelsReadOnlyHeadersOfTheCompiler() throws {
    let session = try ClangSession.shared()
    for options in Self.options {
      #expect(
        try session.compile(
          .object, source: Self.source, fileName: "twice.c", options: options
        ).readsOnlyOwnHeaders)
    }
    // An edited copy may need more.
    let printing = "#include <stdio.h>\nvoid say(void) { puts(\"here\"); }\n"
    let made = try session.compile(
      .object, source: printing, fileName: "say.c", options: .host)
    #expect(!made.readsOnlyOwnHeaders)
  }

  @Test func anObjectOfACallersHeaderIsNeverTakenFromTheCache() async throws {
    let session = try ClangSession.shared()
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory + "/cache")
      let header = directory + "/number.h"
      for including in [
        "#include \"\(header)\"\n",
        // Leads out of the compiler's folder.
        "#include <../../../../../../../../../../../../../../../..\(header)>\n",
      ] {
        let source = including + "int add(int a, int b) { return a + b + NUMBER; }\n"
        for number in [1, 2] as [Int32] {
          try "#define NUMBER \(number)\n".write(
            toFile: header, atomically: true, encoding: .utf8)
          let made = try session.object(
            kernel: "add", source: source, options: .host, cache: cache)
          #expect(made.status == .miss && made.storeFailure != nil)
          #expect(try callAdd(made.bytes, 20, 30) == 50 + number)
        }
      }
    }
  }

  @Test func anEntryThatCannotBeUsedIsMadeAnewOnce() async throws {
    let session = try ClangSession.shared()
    try await withTemporaryDirectory { (directory) async throws in
      let cache = KernelCache(directory: directory)
      let key = try KernelCache.Key(
        source: Sample.add, fileName: "add.c", options: .host, session: session)
      let foreign = try session.object(
        source: Sample.add, fileName: "add.c", options: Sample.arm)
      let other = try session.object(
        source: "int subtract(int a, int b) { return a - b; }", fileName: "add.c", options: .host)
      let unlinkable = try session.object(
        source: "int nowhere(int); int add(int a, int b) { return nowhere(a) + b; }",
        fileName: "add.c", options: .host)
      for bad in [[], [1, 2, 3], foreign, other, unlinkable] {
        let path = directory + "/" + KernelCache.entryName(of: key)
        try Data(KernelCache.encoded(bad, key: key)).write(to: URL(fileURLWithPath: path))
        #expect(chmod(path, 0o600) == 0)
        func request() throws(JITError) -> (Int32, KernelCache.Status) {
          try session.loaded(
            source: Sample.add, fileName: "add.c", options: .host, cache: cache
          ) { (cached) throws(JITError) in
            typealias Add = @convention(c) (Int32, Int32) -> Int32
            let object = try LoadedObject(object: cached.bytes, name: "add")
            let sum = unsafeBitCast(try object.address(of: "add"), to: Add.self)(20, 22)
            return withExtendedLifetime(object) { (sum, cached.status) }
          }
        }
        let (sum, status) = try request()
        #expect(sum == 42)
        guard case .rebuilt(.unusable(let reason)) = status else {
          Issue.record("expected a rebuilt entry, found \(status)")
          continue
        }
        #expect(!reason.isEmpty)
        #expect(try request() == (42, .hit))
      }
    }
  }

  /// What fails when it is fresh fails; nothing is tried for ever.
  @Test func aFreshObjectThatCannotBeUsedFails() async throws {
    let session = try ClangSession.shared()
    try await withTemporaryDirectory { (directory) async throws in
      var loads = 0
      for expected in [1, 3] {
        #expect(throws: JITError.missingSymbol(names: ["f"], object: "add")) {
          try session.loaded(
            source: Sample.add, fileName: "add.c", options: .host,
            cache: KernelCache(directory: directory)
          ) { (cached) throws(JITError) in
            loads += 1
            _ = try LoadedObject(object: cached.bytes, name: "add").address(of: "f")
          }
        }
        #expect(loads == expected)
      }
    }
  }
}
