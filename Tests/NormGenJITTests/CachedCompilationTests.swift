import Foundation
import Testing

@testable import NormGenJIT

/// The cache with real objects, filled by several tasks and processes.
@Suite(.enabled(if: hasCompiler))
struct CachedCompilationTests {
  private static let fillVariable = "NORMGEN_TEST_FILL"

  private static func source(_ index: Int32) -> String {
    "int add(int a, int b) { return a + b + \(index); }\n"
  }

  /// Requests twelve kernels several times over from many tasks, and calls each.
  private static func fill(_ directory: String) async throws {
    let session = try ClangSession.shared()
    let cache = KernelCache(directory: directory)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for request in 0..<48 as Range<Int32> {
        group.addTask {
          let index = request % 12
          let made = try session.object(
            kernel: "add", source: source(index), options: .host, cache: cache)
          #expect(made.storeFailure == nil)
          #expect(made.status == .hit || made.status == .miss)
          #expect(try callAdd(made.bytes, 1, 2) == 3 + index)
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func tasksFillOneDirectory() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      try await Self.fill(directory)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 12)
    }
  }

  /// A limit that no entry fits makes every removal remove all that it sees.
  @Test func tasksFillWhileOthersRemove() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await Self.fill(directory) }
        group.addTask {
          for _ in 0..<100 {
            KernelCache(directory: directory, byteLimit: 1).removeOldest()
            await Task.yield()
          }
        }
        try await group.waitForAll()
      }
    }
  }

  /// Runs in a process of its own, started by the test below.
  @Test(.enabled(if: ProcessInfo.processInfo.environment[fillVariable] != nil))
  func fillForAnotherProcess() async throws {
    let directory = try #require(ProcessInfo.processInfo.environment[Self.fillVariable])
    try await Self.fill(directory)
  }

  @Test(.enabled(if: ProcessInfo.processInfo.environment[fillVariable] == nil))
  func processesFillOneDirectory() async throws {
    try await withTemporaryDirectory { (directory) async throws in
      let processes = try (0..<3).map { _ in
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [
          "--testing-library", "swift-testing", "--filter", "fillForAnotherProcess",
        ]
        process.environment = ProcessInfo.processInfo.environment
          .merging([Self.fillVariable: directory]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
      }
      for process in processes {
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 0)
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: directory)
      #expect(names.count == 12 && names.allSatisfy { $0.hasSuffix(".ngobj") })
    }
  }

  @Test func keyDependsOnEverythingThatShapesTheObject() throws {
    let session = try ClangSession.shared()
    func key(
      _ source: String = Sample.add, _ file: String = "add.c", _ options: CompileOptions = .host
    ) throws -> KernelCache.Key {
      try KernelCache.Key(source: source, fileName: file, options: options, session: session)
    }
    #expect(try key() == key())
    let others = try [
      key(Sample.add + " "), key(Sample.add, "b.c"), key(Sample.add, "add.c", Sample.baseline),
      key(Sample.add, "add.c", Sample.arm), key(),
    ]
    #expect(Set(others).count == 5)
  }

  @Test func keptFilesAreNamedAfterTheKernel() async throws {
    let session = try ClangSession.shared()
    try await withTemporaryDirectory { (directory) async throws in
      let keep = KeepDirectory(path: directory + "/kept")
      let made = try session.object(
        kernel: "add", source: Sample.add, options: .host, cache: .disabled, keep: keep)
      #expect(made.status == .disabled)
      let object = try Data(contentsOf: URL(fileURLWithPath: directory + "/kept/add.o"))
      #expect(Array(object) == made.bytes)
      let source = try String(contentsOfFile: directory + "/kept/add.c", encoding: .utf8)
      #expect(source == Sample.add)
      for name in ["../add", "", ".add", "a/b"] {
        #expect(throws: JITError.self) { try keep.write([], name: name) }
      }
    }
  }
}
