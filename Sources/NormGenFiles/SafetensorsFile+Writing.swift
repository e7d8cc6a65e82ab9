internal import Foundation
internal import NormGenIR
public import NormGenTensors

extension SafetensorsFile {
  /// Writes tensors with their names, in place of all that the file held.
  ///
  /// Larger elements come first, then the order is by name, so that every tensor is aligned to its
  /// element's size and the same tensors always give the same bytes.
  /// The file appears whole or not at all.
  ///
  /// - Throws: ``TensorFileError`` for a name that stands twice or can't be used; an existing file
  ///   is then as it was.
  public static func write(
    _ tensors: [(name: String, tensor: HostTensor)], metadata: [String: String] = [:],
    to path: String
  ) throws(TensorFileError) {
    let file = try PendingFile(replacing: path)
    try write(tensors, metadata: metadata, to: file)
    try file.commit()
  }

  static func write(
    _ tensors: [(name: String, tensor: HostTensor)], metadata: [String: String] = [:],
    to file: PendingFile
  ) throws(TensorFileError) {
    let ordered = tensors.sorted {
      ($1.tensor.storage.byteCount, $0.name) < ($0.tensor.storage.byteCount, $1.name)
    }
    try file.append(try header(of: ordered, metadata: metadata, file: file.path))
    for (_, tensor) in ordered {
      try tensor.withUnsafeBytes { bytes throws(TensorFileError) in try file.append(bytes) }
    }
    try file.finish()
  }

  /// Refuses names that no tensor of the format can have.
  static func check(name: String, file: String) throws(TensorFileError) {
    guard name != SafetensorsHeader.metadataKey, !name.utf8.contains(0) else {
      throw .reservedName(file: file, name: name)
    }
  }

  /// The length and the JSON text, filled with blanks to a multiple of eight bytes.
  private static func header(
    of tensors: [(name: String, tensor: HostTensor)], metadata: [String: String], file: String
  ) throws(TensorFileError) -> [UInt8] {
    var fields: [String: JSONField] = [:]
    if !metadata.isEmpty { fields[SafetensorsHeader.metadataKey] = .metadata(metadata) }
    var end = 0
    for (name, tensor) in tensors {
      try check(name: name, file: file)
      let field = JSONField.tensor(
        dtype: SafetensorsType(tensor.storage).rawValue, shape: tensor.shape,
        offsets: [end, end + tensor.byteCount])
      guard fields.updateValue(field, forKey: name) == nil else {
        throw .writtenTwice(file: file, tensor: name)
      }
      end += tensor.byteCount
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var text: [UInt8]
    do { text = [UInt8](try encoder.encode(fields)) } catch {
      throw .syntax(file: file, place: "header", expected: "names in JSON", found: "\(error)")
    }
    text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    guard text.count <= longestHeader else {
      throw .headerLength(file: file, atMost: longestHeader, found: UInt64(text.count))
    }
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
  }
}

/// A value of the header.
private enum JSONField: Encodable {
  case metadata([String: String])
  case tensor(dtype: String, shape: [Int], offsets: [Int])

  private enum CodingKeys: String, CodingKey {
    case dtype
    case shape
    case offsets = "data_offsets"
  }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .metadata(let texts): try texts.encode(to: encoder)
    case .tensor(let dtype, let shape, let offsets):
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(dtype, forKey: .dtype)
      try container.encode(shape, forKey: .shape)
      try container.encode(offsets, forKey: .offsets)
    }
  }
}
