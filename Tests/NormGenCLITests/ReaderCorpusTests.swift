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

  private func run(
    _ arguments: [String], in directory: TestDirectory, tool: String? = nil
  ) throws -> ProgramResult {
    try CommandLineFixture.run(
      "/bin/sh",
      [
        "-c", "ulimit -c 0; ulimit -v \(Self.memory); exec \"$@\"", "sh",
        try tool ?? CommandLineFixture.toolPath(),
      ] + arguments, in: directory, timeLimit: 60)
  }

  private func judge(_ result: ProgramResult, _ path: String) {
    for complaint in complaints(about: result, path) {
      Issue.record("\(path): \(complaint); \(result.errors.prefix(400))")
    }
  }

  /// What is wrong with how the tool took a file.
  private func complaints(about result: ProgramResult, _ path: String) -> [String] {
    if result.endedBySignal { return ["ended by signal \(result.status)"] }
    guard result.status != 0 else { return [] }
    var complaints: [String] = []
    if !result.output.isEmpty { complaints.append("output beside an error") }
    if !result.errors.contains("error: ") { complaints.append("no error in words") }
    if !result.errors.contains(path.split(separator: "/").last ?? "") {
      complaints.append("the file is not named")
    }
    let size = result.errors.utf8.count
    if size >= 2500 { complaints.append("an error of \(size) bytes") }
    return complaints
  }

  /// Readers with defects, as shell scripts that get the file's path.
  @Test(arguments: [
    ("kill -SEGV $$", "ended by signal 11"),
    ("echo 1 2 3; echo \"error: $1 is damaged\" >&2; exit 1", "output beside an error"),
    ("echo \"$1 is damaged\" >&2; exit 1", "no error in words"),
    ("echo 'error: damaged' >&2; exit 1", "the file is not named"),
    ("echo \"error: $1: $(seq 2000)\" >&2; exit 1", "an error of 8"),
    // What a header of four gigabytes asks for.
    ("exec python3 -c 'bytearray(4 << 30)'", "no error in words"),
  ])
  func defectsOfReadersAreSeen(script: String, complaint: String) throws {
    let directory = try TestDirectory()
    let path = "\(directory.path)/a.npy"
    let result = try run(["-c", script, "sh", path], in: directory, tool: "/bin/sh")
    let complaints = complaints(about: result, path)
    #expect(
      complaints.contains { $0.hasPrefix(complaint) },
      "\(complaints), \(result.errors.prefix(400))")
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

  @Test(arguments: ["npy", "safetensors", "gguf"])
  func tensorsAreReadOrRefused(reader: String) throws {
    let directory = try TestDirectory()
    var read = 0
    let paths = try Self.files(reader)
    for path in paths {
      // Every type is asked for, so that no check hides behind that of the type.
      var isRead = false
      for type in ["f32", "bf16", "f16", "i8", "u8", "f8_e4m3", "f8_e5m2"] where !isRead {
        let kernel = "kernel k(x: \(type)[rows, 3]) {\n  y = x + 1\n} -> y: f32\n"
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
