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
