import Foundation
import NormGen
import NormGenFiles

/// Tensor files of tests.
enum TensorFixture {
  /// The committed tensors of a real model.
  static let realTensors = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Examples/Data/minilm_embedding_norm.safetensors").path

  /// Normal values around a mean, rounded to the type.
  static func tensor(
    _ shape: [Int], _ storage: DType, mean: Double = 0, seed: UInt64
  ) throws -> HostTensor {
    var generator = SeededGenerator(seed: seed)
    let count = try HostTensor.count(of: shape)
    return try HostTensor(
      (0..<count).map { _ in mean + generator.normal() }, shape: shape, storage)
  }

  /// A `.npy` file of version 1.0 with any header.
  static func npy(_ header: String, elementBytes: Int) -> Data {
    let text = Array((header + "\n").utf8)
    let start = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.count), 0]
    return Data(start + text + [UInt8](repeating: 0, count: elementBytes))
  }

  /// A tensor of a `.gguf` file: its extents, the innermost first, the number of its type, its data.
  typealias GGUFTensor = (name: String, extents: [Int], type: Int, data: [UInt8])

  /// A `.gguf` file of version 3 with one key of metadata.
  static func gguf(_ tensors: [GGUFTensor]) -> Data {
    func number(_ value: Int, _ size: Int) -> [UInt8] {
      (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    func text(_ text: String) -> [UInt8] { number(text.utf8.count, 8) + Array(text.utf8) }
    func filled(_ bytes: [UInt8]) -> [UInt8] {
      bytes + [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    }
    var header = Array("GGUF".utf8) + number(3, 4) + number(tensors.count, 8) + number(1, 8)
    header += text("general.architecture") + number(8, 4) + text("llama")
    var data: [UInt8] = []
    for tensor in tensors {
      header += text(tensor.name) + number(tensor.extents.count, 4)
      header += tensor.extents.flatMap { number($0, 8) }
      header += number(tensor.type, 4) + number(data.count, 8)
      data = filled(data + tensor.data)
    }
    return Data(filled(header) + data)
  }
}

extension HostTensor {
  var elementBytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

extension TestDirectory {
  func bytes(of name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  func write(_ bytes: Data, to name: String) throws {
    try bytes.write(to: URL(fileURLWithPath: path(name)))
  }
}
