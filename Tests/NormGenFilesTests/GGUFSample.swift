import Foundation
import NormGenIR

@testable import NormGenFiles

/// A `.gguf` file byte by byte, each of whose fields may lie.
struct GGUFSample {
  /// A tensor of the header and its data.
  struct Tensor {
    var name: [UInt8]
    /// The innermost extent first, as in a file.
    var extents: [UInt64]
    var type: UInt32
    var data: [UInt8]
    /// What the header says; nil for where the data lies.
    var offset: UInt64?

    init(
      _ name: String, _ extents: [UInt64], _ type: UInt32, _ data: [UInt8], offset: UInt64? = nil
    ) {
      self.name = Array(name.utf8)
      self.extents = extents
      self.type = type
      self.data = data
      self.offset = offset
    }
  }

  var magic = Array("GGUF".utf8)
  var version: UInt32 = 3
  /// What the header says; nil for the numbers that there are.
  var tensorCount: UInt64?
  var keyCount: UInt64?
  /// Keys, and values with the numbers of their types.
  var metadata: [(key: String, value: [UInt8])] = []
  var tensors: [Tensor] = []
  var alignment = 32
  /// Whether the last tensor is filled up.
  var fillsLast = true

  /// The file.
  var bytes: [UInt8] {
    var bytes = magic + little(version)
    bytes +=
      little(tensorCount ?? UInt64(tensors.count)) + little(keyCount ?? UInt64(metadata.count))
    for (key, value) in metadata { bytes += string(key) + value }
    var data: [UInt8] = []
    for (index, tensor) in tensors.enumerated() {
      bytes += little(UInt64(tensor.name.count)) + tensor.name
      bytes += little(UInt32(tensor.extents.count)) + tensor.extents.flatMap { little($0) }
      bytes += little(tensor.type) + little(tensor.offset ?? UInt64(data.count))
      data += tensor.data
      if index < tensors.count - 1 || fillsLast { fill(&data) }
    }
    if !tensors.isEmpty { fill(&bytes) }
    return bytes + data
  }

  private func fill(_ bytes: inout [UInt8]) {
    bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
  }

  /// A file with some f32 tensors of four elements, and any metadata.
  static func plain(
    _ names: String..., metadata: [(key: String, value: [UInt8])] = []
  ) -> GGUFSample {
    GGUFSample(
      metadata: metadata,
      tensors: names.enumerated().map { index, name in
        Tensor(name, [4], 0, (0..<4).flatMap { little(Float(4 * index + $0).bitPattern) })
      })
  }
}

/// A whole number as files have it.
func little<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// A text behind its length.
func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

/// A value behind the number of its type.
func value(_ type: GGUFValueType, _ bytes: [UInt8]) -> [UInt8] { little(type.rawValue) + bytes }

/// An array behind the number of the array's type.
func array(_ type: GGUFValueType, _ count: UInt64, _ elements: [UInt8]) -> [UInt8] {
  value(.array, little(type.rawValue) + little(count) + elements)
}
