import Foundation
import Testing

/// Files that were made to break a reader, or once did: each is read or refused, by the tool, in
/// little memory and time, in few words.
///
/// `Tests/ReaderFuzzer/run.sh` looks for more of them.
@Suite struct ReaderCorpusTests {
  private static let corpus = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("ReaderFuzzer/Corpus").path

  /// Kilobytes of address space; the tool and LLVM map less than a quarter of it.
  private static let memory = 4_000_000

  private static func files(_ reader: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(corpus)/\(reader)").sorted()
      .map { "\(corpus)/\(reader)/\($0)" }
  }

  private func run(_ arguments: [String], in directory: TestDirectory) throws -> ProgramResult {
    try CommandLineFixture.run(
      "/bin/sh",
      [
        "-c", "ulimit -c 0; ulimit -v \(Self.memory); exec \"$@\"", "sh",
        try CommandLineFixture.toolPath(),
      ] + arguments, in: directory, timeLimit: 60)
  }

  private func judge(_ result: ProgramResult, _ path: String) {
    let name = path.split(separator: "/").last ?? ""
    #expect(!result.endedBySignal, "\(name): ended by signal \(result.status)")
    guard result.status != 0 else { return }
    #expect(result.output.isEmpty, "\(name)")
    #expect(result.errors.contains(name), "\(name): \(result.errors.prefix(400))")
    #expect(result.errors.contains("error: "), "\(name)")
    #expect(result.errors.utf8.count < 2500, "\(name): \(result.errors.utf8.count) bytes")
  }

  @Test func textsAreReadOrRefused() throws {
    let directory = try TestDirectory()
    var read = 0
    let paths = try Self.files("ng")
    for path in paths {
      let result = try run(["emit", path, "--target", "avx2"], in: directory)
      judge(result, path)
      if result.status == 0 { read += 1 }
    }
    #expect(read >= 6 && paths.count - read >= 10)
  }

  @Test(arguments: ["npy", "safetensors"]) func tensorsAreReadOrRefused(reader: String) throws {
    let directory = try TestDirectory()
    var read = 0
    let paths = try Self.files(reader)
    for path in paths {
      // Every type is asked for, so that no check hides behind that of the type.
      var isRead = false
      for type in ["f32", "bf16", "f16", "i8"] where !isRead {
        let kernel = "kernel k(x: \(type)[rows, 3]) {\n  y = x + 1\n} -> y\n"
        try directory.write(kernel, to: "k.ng")
        let result = try run(
          ["run", "k.ng", "--input", "x=\(path)", "--output", "y=y.npy"], in: directory)
        judge(result, path)
        // A tensor of another shape was read, too.
        isRead = result.status == 0 || result.errors.contains("expected shape")
      }
      if isRead { read += 1 }
    }
    #expect(read >= 3 && paths.count - read >= 8)
  }
}
