import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

/// Damaged files give a typed error or a tensor that the file's size allows: never anything else.
@Suite struct FileMutationTests {
  private static let trials = 3000

  @Test func damagedNpyFilesAreReadOrRefused() throws {
    let samples: [NumPySample] = [
      .scalar, .vector, .matrixOfHalves, .empty, .fourAxes, .version2, .version3, .bits,
      .structured,
    ]
    judge(try outcomes(of: samples.map(\.bytes), "a.npy", seed: 20_190_710, by: Self.load))
  }

  @Test func damagedSafetensorsFilesAreReadOrRefused() throws {
    let folder = try TemporaryFolder()
    var samples: [[UInt8]] = []
    for tensors in [
      [("a", try seededTensor([2, 3], .f32)), ("b", try seededTensor([5], .bf16))],
      [("only", try seededTensor([], .f16))],
      [("empty", try seededTensor([0, 3], .f32)), ("ü\"\\", try seededTensor([1], .f32))],
    ] {
      try SafetensorsFile.write(tensors, metadata: ["k": "v"], to: folder["w.safetensors"])
      samples.append(try folder.bytes("w.safetensors"))
    }
    judge(try outcomes(of: samples, "w.safetensors", seed: 19_100_746, by: Self.load))
  }

  @Test func damagedGGUFFilesAreReadOrRefused() throws {
    let blocks = try seededTensor([2, 144], .i8).elementBytes
    let text = (key: "text", value: value(.string, string("x")))
    let samples: [GGUFSample] = [
      .plain("a", "b", metadata: [text]),
      GGUFSample(tensors: [.init("w", [256, 2], 12, blocks)]),
      GGUFSample(
        metadata: [
          text, (key: "list", value: array(.string, 2, string("y") + string(""))),
          (key: "general.alignment", value: value(.uint32, little(UInt32(32)))),
        ],
        tensors: [
          .init("none", [0], 1, []), .init("w", [32, 1], 8, Array(blocks[..<34])),
          .init("v", [], 24, [7]),
        ]),
      GGUFSample(
        version: 2, metadata: [(key: "flags", value: array(.bool, 3, [0, 1, 0])), text]),
    ]
    judge(
      try outcomes(
        of: samples.map(\.bytes), "m.gguf", seed: 20_230_821, growth: Self.greatestGrowth,
        by: Self.load))
  }

  /// The most Float32 values that a byte of a block stands for, in bytes: q2_K has 256 in 84.
  private static let greatestGrowth =
    BlockFormat.ggml.map { ($0.elementCount * 4 + $0.byteCount - 1) / $0.byteCount }.max() ?? 1

  /// Readers with a defect: one believes the header, one does not say which file it refuses.
  @Test func defectsOfReadersAreSeen() throws {
    let samples = [NumPySample.vector.bytes]
    let large = try HostTensor(zeros: [1 << 20], .f32)
    let trusting = try outcomes(of: samples, "a.npy", seed: 7) { _, _ throws(TensorFileError) in
      [large]
    }
    #expect(trusting.complaints.count == Self.trials)
    let vague = try outcomes(of: samples, "a.npy", seed: 7) { path, type throws(TensorFileError) in
      do {
        return try Self.load(path, type)
      } catch {
        throw .notRegular(file: "a file", found: "a device")
      }
    }
    #expect(vague.complaints.count == vague.refused && vague.refused > 0)
    // One that takes a count of elements from the file's last bytes.
    let plain = [GGUFSample.plain("w").bytes]
    let counting = try outcomes(of: plain, "m.gguf", seed: 7, growth: Self.greatestGrowth) {
      path, _ throws(TensorFileError) in
      let count = try FileBytes.read(path, atMost: 100).last.map { Int($0) << 12 } ?? 0
      do { return [try HostTensor(zeros: [count], .f32)] } catch { return [] }
    }
    #expect(counting.complaints.count > 0 && counting.complaints.count < Self.trials)
  }

  private typealias Reader = (String, DType?) throws(TensorFileError) -> [HostTensor]

  /// The numbers of damaged files that were read and that were refused, and what was wrong with that.
  private struct Outcomes {
    var read = 0
    var refused = 0
    var complaints: [String] = []
  }

  private func judge(_ outcomes: Outcomes) {
    #expect(outcomes.read > 0 && outcomes.refused > 0)
    for complaint in outcomes.complaints { Issue.record("\(complaint)") }
  }

  private func outcomes(
    of samples: [[UInt8]], _ name: String, seed: UInt64, growth: Int = 1, by reader: Reader
  ) throws -> Outcomes {
    let folder = try TemporaryFolder()
    var generator = SeededGenerator(seed: seed)
    var outcomes = Outcomes()
    for trial in 0..<FileMutationTests.trials {
      var bytes = samples[trial % samples.count]
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        mutate(&bytes, using: &generator)
      }
      let path = try folder.file(name, bytes)
      let expected = DType.allCases.randomElement(using: &generator)
      do throws(TensorFileError) {
        for tensor in try reader(path, expected) {
          outcomes.read += 1
          guard tensor.byteCount > growth * bytes.count else { continue }
          outcomes.complaints.append(
            "seed \(seed), trial \(trial): \(tensor.byteCount) bytes of \(bytes.count)")
        }
      } catch {
        outcomes.refused += 1
        guard !error.description.contains("'\(path)'") else { continue }
        outcomes.complaints.append("seed \(seed), trial \(trial): \(error)")
      }
    }
    return outcomes
  }

  private static func load(
    _ path: String, _ expected: DType?
  ) throws(TensorFileError) -> [HostTensor] {
    var tensors: [HostTensor] = []
    if path.hasSuffix(".safetensors") {
      let file = try SafetensorsFile(path)
      for entry in file.entries { tensors.append(try file.load(entry.name, as: expected)) }
    } else if path.hasSuffix(".gguf") {
      let file = try GGUFFile(path)
      for entry in file.entries { tensors.append(try file.load(entry.name, as: expected)) }
    } else {
      tensors.append(try NpyFile(path).load(as: expected))
    }
    return tensors
  }

  private func mutate(_ bytes: inout [UInt8], using generator: inout SeededGenerator) {
    guard !bytes.isEmpty else { return }
    // Mostly in the header, where one byte changes the meaning of all others.
    let limit = Bool.random(using: &generator) ? min(bytes.count, 160) : bytes.count
    let position = Int.random(in: 0..<limit, using: &generator)
    switch Int.random(in: 0..<9, using: &generator) {
    case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes[position] = UInt8.random(in: 0...255, using: &generator)
    case 2: bytes.removeSubrange(position...)
    case 3: bytes.remove(at: position)
    case 4: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: position)
    case 5:
      let tokens = [
        "9", "-", "0", "99999999999999999999", "(", "[", "{", "'", "\"", ",", "\\", ":",
      ]
      let token = tokens.randomElement(using: &generator) ?? ""
      bytes.replaceSubrange(position..<position, with: Array(token.utf8))
    case 6:
      let end = min(bytes.count, position + Int.random(in: 1...16, using: &generator))
      bytes.insert(contentsOf: bytes[position..<end], at: position)
    case 7:
      // The numbers of a binary header take 4 or 8 bytes.
      let count = [4, 8].randomElement(using: &generator) ?? 4
      for byte in bytes.indices[position...].prefix(count) { bytes[byte] = 0xff }
    default:
      let other = Int.random(in: 0..<limit, using: &generator)
      bytes.swapAt(position, other)
    }
  }
}
