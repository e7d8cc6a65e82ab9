import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Where files may be written: one rule for all.
@Suite struct DestinationTests {
  private let tensor: HostTensor

  init() throws { tensor = try seededTensor([2], .f32) }

  @Test func linksToNothingAndReadOnlyFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(symlink("nothing.npy", folder["link.npy"]) == 0)
    _ = try folder.file("old.npy", [1])
    // Whoever asks: what nobody may write is not replaced by the superuser either.
    #expect(chmod(folder["old.npy"], 0o444) == 0)
    #expect(symlink("old.npy", folder["to_old.npy"]) == 0)
    #expect(symlink("loop.npy", folder["loop.npy"]) == 0)
    for (name, error) in [
      ("link.npy", TensorFileError.danglingLink(file: folder["link.npy"], target: "nothing.npy")),
      ("old.npy", .readOnly(file: folder["old.npy"])),
      ("to_old.npy", .readOnly(file: folder["to_old.npy"])),
      ("loop.npy", .system(operation: "write", file: folder["loop.npy"], code: ELOOP)),
      ("old.npy/", .system(operation: "create", file: folder["old.npy/"], code: ENOTDIR)),
      ("new/", .system(operation: "create", file: folder["new/"], code: EISDIR)),
      ("none/new", .system(operation: "create", file: folder["none/new"], code: ENOENT)),
    ] {
      #expect(throws: error, "\(name)") { try NpyFile.write(tensor, to: folder[name]) }
    }
    #expect(throws: TensorFileError.reference("", expected: "a file's name")) {
      try NpyFile.write(tensor, to: "")
    }
    #expect(try folder.bytes("old.npy") == [1])
    #expect(try folder.names() == ["link.npy", "loop.npy", "old.npy", "to_old.npy"])
  }

  @Test func aLinkInAnotherFolderIsReplacedThere() throws {
    let (folder, other) = (try TemporaryFolder(), try TemporaryFolder())
    let target = try other.file("target.npy", [1])
    #expect(symlink(target, folder["link.npy"]) == 0)
    try NpyFile.write(tensor, to: folder["link.npy"])
    #expect(try NpyFile(target).load().elementBytes == tensor.elementBytes)
    #expect(try folder.names() == ["link.npy"])
    #expect(try other.names() == ["target.npy"])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder["link.npy"]) == target)
  }

  /// One file by another spelling, a link and a second name.
  @Test func oneFileUnderTwoNamesIsRefused() throws {
    let folder = try TemporaryFolder()
    let old = Array("old".utf8)
    _ = try folder.file("y.npy", old)
    #expect(symlink("y.npy", folder["soft.npy"]) == 0)
    #expect(link(folder["y.npy"], folder["hard.npy"]) == 0)
    #expect(symlink(folder.path, folder["folder"]) == 0)
    for name in ["./y.npy", "soft.npy", "hard.npy", "folder/y.npy"] {
      let references = try ["y.npy", name].map { try TensorReference(folder[$0]) }
      let error = TensorFileError.oneFile(folder["y.npy"], folder[name])
      #expect(throws: error) { try TensorFile.check(references, notReplacing: []) }
      #expect(throws: error) { try TensorFile.write(references.map { ($0, tensor) }) }
      #expect(
        throws: TensorFileError.replacesInput(file: folder[name], input: folder["y.npy"])
      ) { try TensorFile.check([references[1]], notReplacing: [folder["y.npy"]]) }
    }
    // A file that does not exist yet has two spellings, too.
    #expect(throws: TensorFileError.oneFile(folder["new.c"], folder["folder/new.c"])) {
      try Destination.all([folder["new.c"], folder["folder/new.c"]])
    }
    // Names of one file of names are one file, a .npy file by a link is not.
    #expect(symlink("w.safetensors", folder["w.npy"]) == 0)
    _ = try folder.file("w.safetensors", old)
    let mixed = try ["w.safetensors:a", "w.npy"].map { try TensorReference(folder[$0]) }
    #expect(throws: TensorFileError.oneFile(folder["w.safetensors:a"], folder["w.npy"])) {
      try TensorFile.write(mixed.map { ($0, tensor) })
    }
    for name in ["y.npy", "hard.npy", "w.safetensors"] { #expect(try folder.bytes(name) == old) }
  }

  @Test func theFileOfStandardOutputIsNotReplaced() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("out.npy", [1])
    let saved = dup(STDOUT_FILENO)
    let file = open(path, O_WRONLY | O_APPEND)
    defer {
      dup2(saved, STDOUT_FILENO)
      close(saved)
      close(file)
    }
    dup2(file, STDOUT_FILENO)
    #expect(throws: TensorFileError.standardOutput(file: path)) {
      try NpyFile.write(tensor, to: path)
    }
  }
}

/// What killed processes leave behind.
@Suite struct AbandonedFileTests {
  /// A process that has ended, and so no number of one that lives.
  private func endedProcess() throws -> pid_t {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "exit 0"]
    try process.run()
    process.waitUntilExit()
    return process.processIdentifier
  }

  @Test func onlyDeadProcessesFilesAreRemoved() throws {
    let folder = try TemporaryFolder()
    let (dead, machine) = (try endedProcess(), AbandonedFiles.machine)
    let day = Date(timeIntervalSinceNow: -90_000)
    func file(_ name: String, old: Bool = false) throws {
      _ = try folder.file(name, [1])
      guard old else { return }
      try FileManager.default.setAttributes([.modificationDate: day], ofItemAtPath: folder[name])
    }
    let removed = [".normgen-\(machine)-\(dead)-abc1.tmp", ".normgen-elsewhere-1-abc1.tmp"]
    let kept = [
      // Processes that live, here and perhaps elsewhere.
      ".normgen-\(machine)-\(getpid())-abc1.tmp", ".normgen-elsewhere-\(dead)-abc1.tmp",
      // Names of other forms.
      ".normgen-\(machine)-\(dead)-abc1.tmp2", ".normgen-\(machine)-\(dead).tmp",
      ".normgen-\(machine)-0\(dead)-abc1.tmp", ".normgen-\(machine)-\(dead)-ABC.tmp",
      ".normgen-\(machine)--\(dead)-a.tmp", "normgen-\(machine)-\(dead)-abc1.tmp", "y.tmp",
      ".normgen-abc1.tmp", ".normgen-\(machine)-\(dead)-a-b.tmp",
    ]
    for name in kept { try file(name) }
    try file(removed[0])
    try file(removed[1], old: true)
    // Neither a directory nor a link, whatever it is called.
    let (directory, link) = (
      ".normgen-\(machine)-\(dead)-d.tmp", ".normgen-\(machine)-\(dead)-l.tmp"
    )
    try FileManager.default.createDirectory(
      atPath: folder[directory], withIntermediateDirectories: false)
    #expect(symlink(folder["y.tmp"], folder[link]) == 0)
    try NpyFile.write(try seededTensor([2], .f32), to: folder["new.npy"])
    #expect(try folder.names() == (kept + [directory, link, "new.npy"]).sorted())
  }

  @Test func filesOfOtherUsersAreKept() throws {
    // Only the superuser can give files away.
    guard geteuid() == 0 else { return }
    let folder = try TemporaryFolder()
    let name = ".normgen-\(AbandonedFiles.machine)-\(try endedProcess())-abc1.tmp"
    _ = try folder.file(name, [1])
    #expect(chown(folder[name], 65534, 65534) == 0)
    try NpyFile.write(try seededTensor([2], .f32), to: folder["new.npy"])
    #expect(try folder.names() == [name, "new.npy"])
  }

  @Test func newNamesTellTheirProcess() throws {
    let parts = try #require(AbandonedFiles.parts(of: AbandonedFiles.newName()))
    #expect(parts.machine == AbandonedFiles.machine && parts.process == getpid())
  }
}
