import Foundation
import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

@Suite struct TensorFileTests {
  @Test func referencesNameAFileAndATensor() throws {
    let cases: [(String, String, TensorReference.Format, String?)] = [
      ("a.npy", "a.npy", .npy, nil),
      ("w.safetensors", "w.safetensors", .safetensors, nil),
      ("w.safetensors:gain", "w.safetensors", .safetensors, "gain"),
      ("run:3/a:b.npy", "run:3/a:b.npy", .npy, nil),
      ("run:3/w.safetensors:gain", "run:3/w.safetensors", .safetensors, "gain"),
      ("run:3/w.safetensors", "run:3/w.safetensors", .safetensors, nil),
      ("w.safetensors:layer:0/gain", "w.safetensors", .safetensors, "layer:0/gain"),
      ("w.safetensors:x.npy", "w.safetensors", .safetensors, "x.npy"),
      (
        "old.safetensors:d/w.safetensors:gain", "old.safetensors:d/w.safetensors",
        .safetensors, "gain"
      ),
      ("ü.safetensors:é", "ü.safetensors", .safetensors, "é"),
      ("m.gguf", "m.gguf", .gguf, nil),
      ("m.gguf:blk.0.attn_q.weight", "m.gguf", .gguf, "blk.0.attn_q.weight"),
      ("m.gguf:w.npy", "m.gguf", .gguf, "w.npy"),
      ("m.gguf:w.safetensors", "m.gguf", .gguf, "w.safetensors"),
      ("w.safetensors:d/m.gguf:a:b", "w.safetensors:d/m.gguf", .gguf, "a:b"),
      ("m.gguf:d/w.safetensors:a", "m.gguf:d/w.safetensors", .safetensors, "a"),
    ]
    for (text, path, format, name) in cases {
      let reference = try TensorReference(text)
      #expect(reference.path == path && reference.format == format && reference.name == name)
      #expect(reference.description == text)
    }
    for text in [
      "", "a", "a.txt", "a.npy:x", "w.safetensors:", ".npz", "npy", "a.npy/", "m.gguf:", "m.gguf/",
      "m.ggu",
    ] {
      let error = #expect(throws: TensorFileError.self, "\(text)") { try TensorReference(text) }
      guard case .reference(text, _) = error else {
        Issue.record("\(text): \(String(describing: error))")
        continue
      }
    }
  }

  @Test func bothFormatsAreLoadedByReference() throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor([2, 3], .bf16)
    let references = try ["y.npy", "w.safetensors:y"].map { try TensorReference(folder[$0]) }
    try TensorFile.write(references.map { ($0, tensor) })
    for reference in references {
      #expect(try TensorFile.load(reference, as: .bf16).elementBytes == tensor.elementBytes)
    }
    #expect(
      try TensorFile.load(TensorReference(folder["w.safetensors"])).elementBytes
        == tensor.elementBytes)
    #expect(try folder.names() == ["w.safetensors", "y.npy"])
  }

  @Test func blocksAreLoadedByReferenceAndElementsAreNotWrittenBesideThem() throws {
    let folder = try TemporaryFolder()
    let block = little(UInt16(0x3c00)) + (0..<32).map { UInt8(bitPattern: Int8($0 - 16)) }
    _ = try folder.file("m.gguf", GGUFSample(tensors: [.init("w", [32, 1], 8, block)]).bytes)
    for text in ["m.gguf", "m.gguf:w"] {
      let tensor = try TensorFile.load(TensorReference(folder[text]), as: .f32)
      #expect(tensor.shape == [1, 32] && tensor.doubles == (-16..<16).map(Double.init))
    }
    let before = try folder.bytes("m.gguf")
    for text in ["m.gguf:w", "m.gguf", "new.gguf"] {
      let reference = try TensorReference(folder[text])
      let error = TensorFileError.reference(
        folder[text],
        expected:
          "FILE.npy or FILE.safetensors:NAME to write; only blocks are written to .gguf files")
      #expect(throws: error) {
        try TensorFile.write([(reference, try HostTensor(zeros: [1], .f32))])
      }
      #expect(throws: error) { try TensorFile.check([reference], notReplacing: []) }
    }
    #expect(try folder.names() == ["m.gguf"] && folder.bytes("m.gguf") == before)
  }

  @Test func tensorsOfOneFileAreWrittenTogether() throws {
    let folder = try TemporaryFolder()
    let a = try seededTensor([2], .f32, seed: 1)
    let b = try seededTensor([3], .f16, seed: 2)
    // Two spellings of one path.
    try TensorFile.write([
      (try TensorReference(folder["w.safetensors:a"]), a),
      (try TensorReference(folder["./w.safetensors:b"]), b),
    ])
    let file = try SafetensorsFile(folder["w.safetensors"])
    #expect(file.entries.map(\.name) == ["a", "b"])
    #expect(try file.load("b").elementBytes == b.elementBytes)
  }

  @Test func twoTensorsInOnePlaceAreRefusedAndNothingIsWritten() throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor([2], .f32)
    for name in ["y.npy", "w.safetensors:y"] {
      let reference = try TensorReference(folder[name])
      #expect(
        throws: TensorFileError.writtenTwice(file: reference.path, tensor: reference.name)
      ) { try TensorFile.write([(reference, tensor), (reference, tensor)]) }
    }
    let unnamed = try TensorReference(folder["w.safetensors"])
    #expect(
      throws: TensorFileError.reference(unnamed.path, expected: "FILE.safetensors:NAME")
    ) { try TensorFile.write([(unnamed, tensor)]) }
    #expect(try folder.names() == [])
  }

  @Test func aFailureKeepsEveryOldFile() throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor([2], .f32)
    let old = Array("old".utf8)
    _ = try folder.file("y.npy", old)
    _ = try folder.file("w.safetensors", old)
    try FileManager.default.createDirectory(
      atPath: folder["d.npy"], withIntermediateDirectories: false)
    let good = try TensorReference(folder["y.npy"])
    let failures: [(String, TensorFileError)] = [
      (
        "missing/z.npy",
        .system(operation: "create", file: folder["missing/z.npy"], code: ENOENT)
      ),
      ("d.npy", .notRegular(file: folder["d.npy"], found: "a directory")),
      (
        "w.safetensors:__metadata__",
        .reservedName(file: folder["w.safetensors"], name: "__metadata__")
      ),
    ]
    for (name, error) in failures {
      #expect(throws: error) {
        try TensorFile.write([(good, tensor), (try TensorReference(folder[name]), tensor)])
      }
      #expect(try folder.bytes("y.npy") == old)
      #expect(try folder.bytes("w.safetensors") == old)
      #expect(try folder.names() == ["d.npy", "w.safetensors", "y.npy"])
    }
  }

  @Test func aLinkStandsForItsFileWhichKeepsItsMode() throws {
    let folder = try TemporaryFolder()
    let target = try folder.file("target.npy", [1])
    #expect(chmod(target, 0o640) == 0)
    #expect(symlink("target.npy", folder["link.npy"]) == 0)
    let tensor = try seededTensor([2], .f32)
    try NpyFile.write(tensor, to: folder["link.npy"])
    #expect(try NpyFile(target).load().elementBytes == tensor.elementBytes)
    var status = stat()
    #expect(lstat(folder["link.npy"], &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(lstat(target, &status) == 0 && status.st_mode & 0o777 == 0o640)
  }

  @Test func onlyRegularFilesAreReadAndReplaced() throws {
    let folder = try TemporaryFolder()
    #expect(mkfifo(folder["pipe.npy"], 0o600) == 0)
    let tensor = try seededTensor([2], .f32)
    let others = [
      (folder["pipe.npy"], "a pipe"), ("/dev/null", "a device"), (folder.path, "a directory"),
    ]
    for (path, found) in others {
      let error = TensorFileError.notRegular(file: path, found: found)
      #expect(throws: error) { try NpyFile(path) }
      #expect(throws: error) {
        try NpyFile.write(tensor, to: path)
      }
    }
    let absent = folder["absent.npy"]
    #expect(throws: TensorFileError.system(operation: "open", file: absent, code: ENOENT)) {
      try NpyFile(absent)
    }
    // A zero byte would end the path for the system.
    #expect(throws: TensorFileError.self) { try NpyFile(folder["pipe.npy"] + "\u{0}.npy") }
  }

  @Test func filesThatChangeWhileTheyAreReadAreRefused() throws {
    let folder = try TemporaryFolder()
    let tensor = try seededTensor([100], .f32)
    for format in ["npy", "safetensors"] {
      let path = folder["x.\(format)"]
      for grows in [true, false] {
        try TensorFile.write([(try TensorReference(format == "npy" ? path : path + ":x"), tensor)])
        let npy = format == "npy" ? try NpyFile(path) : nil
        let safetensors = format == "npy" ? nil : try SafetensorsFile(path)
        let size = try folder.bytes("x.\(format)").count
        #expect(truncate(path, grows ? size + 1 : size - 1) == 0)
        let error =
          grows
          ? TensorFileError.changed(file: path)
          : .truncated(file: path, expectedBytes: size, foundBytes: size - 1)
        #expect(throws: error) { _ = try npy?.load() ?? safetensors?.load() }
      }
    }
  }

  @Test func errorsNameTheFileAndAreSafeToPrint() {
    let error = TensorFileError.noTensor(
      file: "w.safetensors", name: "\u{1b}[31m\n",
      names: (0..<30).map { "layer.\($0)" } + [String(repeating: "x", count: 100_000)])
    let text = error.description
    #expect(text.hasPrefix("'w.safetensors': there is no tensor '\\u{1b}[31m\\n'; it holds "))
    #expect(text.hasSuffix("'layer.19' and 11 more"))
    let long = TensorFileError.duplicateKey(
      file: "w.safetensors", key: String(repeating: "x", count: 100_000))
    #expect(long.description.utf8.count < 300)
  }
}
