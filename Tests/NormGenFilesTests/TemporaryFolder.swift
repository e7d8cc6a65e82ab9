import Foundation
import Testing

@testable import NormGenFiles
@testable import NormGenIR
@testable import NormGenTensors

/// A directory that vanishes with its owner.
final class TemporaryFolder {
  let path: String

  init() throws {
    let unique = String(UInt64.random(in: .min ... .max), radix: 36)
    path = NSTemporaryDirectory() + "normgen-files-\(unique)"
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  subscript(name: String) -> String { path + "/" + name }

  /// Writes a file and gives its path.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: self[name]))
    return self[name]
  }

  func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: self[name])))
  }

  /// The names of all files, hidden ones too.
  func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }
}

/// A tensor of seeded bits, which include NaNs, infinities and denormals.
func seededTensor(
  _ shape: [Int], _ storage: DType, seed: UInt64 = 1
) throws -> HostTensor {
  var generator = SeededGenerator(seed: seed)
  var tensor = try HostTensor(zeros: shape, storage)
  tensor.withUnsafeMutableBytes { bytes in
    for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: generator.next()) }
  }
  return tensor
}

extension HostTensor {
  var elementBytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

/// Shapes with no, one and more axes, without elements, and of odd sizes.
let shapes: [[Int]] = [[], [0], [1], [7], [3, 5], [0, 4], [4, 0], [2, 3, 4], [2, 1, 3, 5]]
