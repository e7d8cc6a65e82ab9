import Foundation
import NormGen
import NormGenFiles
import Testing

/// A process that is killed at any moment leaves each file old or new, never a part of one.
@Suite struct KillTests {
  /// Ends over the whole time of a run, more of them where it writes, and at chosen bytes.
  private func ends(
    of command: KilledCommand, bytes: Int, count: Int = 15
  ) throws -> [KilledCommand.End] {
    try command.reset()
    try command.run()
    try command.reset()
    let seconds = try command.run()
    let times = (0..<count).map { KilledCommand.End.after(seconds: seconds * Double($0) / 14) }
    let blocks = bytes / KilledCommand.block
    let sizes = [0, 1, 2, blocks / 3, blocks / 2, blocks - 1].filter { $0 >= 0 && $0 < blocks }
    return times + [.writing, .writing, .writing]
      + [SIGINT, SIGTERM, SIGHUP].map { KilledCommand.End.signalled($0) }
      + Set(sizes).sorted().map { KilledCommand.End.fileSize(blocks: $0) }
  }

  private func tool(_ arguments: [String], in directory: TestDirectory, cache: TestDirectory)
    throws -> KilledCommand
  {
    KilledCommand(
      program: try CommandLineFixture.toolPath(), arguments: arguments, directory: directory,
      environment: ["NORMGEN_CACHE": cache.path])
  }

  /// Runs a command once in its directory for the files that are there before.
  private func withOld(_ command: KilledCommand, by old: [String]) throws -> KilledCommand {
    let result = try CommandLineFixture.run(
      command.program, old, in: command.directory, environment: command.environment)
    #expect(result.status == 0, "\(result.errors)")
    var command = command
    command.before = try command.files()
    return command
  }

  private func judge(_ command: KilledCommand, largest: Int) throws {
    let (ended, problems) = try command.trials(ends(of: command, bytes: largest))
    #expect(problems == [])
    #expect(ended >= 10)
  }

  @Test func emittedFilesAreOldOrNew() throws {
    let (texts, output, cache) = (try TestDirectory(), try TestDirectory(), try TestDirectory())
    let new = try texts.write(TestKernels.two, to: "new.ng")
    let old = try texts.write(
      TestKernels.two.replacing("1e-6", with: "1e-5").replacing("[rows, 8]", with: "[rows, 9]")
        .replacing("f32[8]", with: "f32[9]"), to: "old.ng")
    let command = try withOld(
      tool(["emit", new, "-o", "."], in: output, cache: cache), by: ["emit", old, "-o", "."])
    #expect(command.before.count == 4)
    try judge(command, largest: command.before.values.map(\.count).max() ?? 0)
  }

  @Test(arguments: ["y.npy", "y.safetensors"]) func tensorFilesAreOldOrNew(file: String) throws {
    let (inputs, output, cache) = (try TestDirectory(), try TestDirectory(), try TestDirectory())
    let kernel = try inputs.write(TestKernels.text, to: "small.ng")
    let rows = 10_000
    try NpyFile.write(
      TensorFixture.tensor([rows, 37], .f32, seed: 1), to: inputs.path("x.npy"))
    for (name, seed) in [("old", 2), ("new", 3)] as [(String, UInt64)] {
      try NpyFile.write(
        TensorFixture.tensor([37], .f32, mean: 1, seed: seed), to: inputs.path("\(name).npy"))
    }
    func arguments(_ gain: String) -> [String] {
      [
        "run", kernel, "--input", "x=\(inputs.path("x.npy"))", "gain=\(inputs.path(gain))",
        "--output", "y=\(file)",
      ]
    }
    let command = try withOld(
      tool(arguments("new.npy"), in: output, cache: cache), by: arguments("old.npy"))
    #expect(command.before.keys.sorted() == [file])
    try judge(command, largest: rows * 37 * 4)
  }

  @Test func quantizedFilesAreOldOrNew() throws {
    let (inputs, output, cache) = (try TestDirectory(), try TestDirectory(), try TestDirectory())
    for (name, seed) in [("old", 1), ("new", 2)] as [(String, UInt64)] {
      try NpyFile.write(
        TensorFixture.tensor([2000, 64], .f32, seed: seed), to: inputs.path("\(name).npy"))
    }
    func arguments(_ input: String) -> [String] {
      [
        "quantize", inputs.path(input), "--format", "q8_0", "--output", "q.gguf", "--name", "w",
      ]
    }
    let command = try withOld(
      tool(arguments("new.npy"), in: output, cache: cache), by: arguments("old.npy"))
    #expect(command.before.keys.sorted() == ["q.gguf"])
    try judge(command, largest: 2000 * 2 * 34)
  }

  /// An entry of the cache is whole or not there, whatever ended the process that wrote it.
  @Test func cacheEntriesAreWholeOrAbsent() throws {
    let (inputs, cache) = (try TestDirectory(), try TestDirectory())
    let kernel = try inputs.write(TestKernels.text, to: "small.ng")
    var command = try tool(["check", kernel, "--rows", "2"], in: cache, cache: cache)
    // The cache has a rule of its own.
    command.removesLeftovers = false
    try command.reset()
    try command.run()
    let entries = try command.files()
    #expect(entries.count == 1)
    let (name, entry) = try #require(entries.first)
    try judge(command, largest: entry.count)

    // A damaged entry is compiled again: the check passes and the entry is right.
    for count in [0, 7, 79, 80, entry.count / 2, entry.count - 1] {
      var damaged = command
      damaged.before = [name: Array(entry.prefix(count))]
      try damaged.reset()
      #expect(chmod(cache.path(name), 0o600) == 0)
      try damaged.run()
      #expect(try damaged.files() == entries, "cut to \(count) bytes")
    }
  }

  /// The trials see a program that writes over its output in place.
  @Test func filesWrittenInPlaceAreSeen() throws {
    let (inputs, output) = (try TestDirectory(), try TestDirectory())
    let new = try inputs.write(String(repeating: "new ", count: 10_000), to: "new")
    let slow = "head -c 20000 \(new) > y; sleep 0.2; tail -c +20001 \(new) >> y"
    for (script, end) in [
      ("cat \(new) > y", KilledCommand.End.fileSize(blocks: 20)), (slow, .after(seconds: 0.1)),
    ] {
      let command = KilledCommand(
        program: "/bin/sh", arguments: ["-c", script], directory: output,
        before: ["y": Array("old".utf8)])
      let (_, problems) = try command.trials([end])
      #expect(problems.count == 1 && problems[0].contains("neither old nor new"))
    }
  }
}
