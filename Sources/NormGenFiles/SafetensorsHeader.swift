internal import NormGenTensors

/// The checked header of a `.safetensors` file.
struct SafetensorsHeader {
  /// The tensors in the order of their elements.
  let entries: [SafetensorsFile.Entry]
  let metadata: [String: String]

  /// The key of the texts that belong to no tensor.
  static let metadataKey = "__metadata__"

  /// The greatest integer that every reader of JSON has exactly.
  private static let greatestInteger = 1 << 53

  /// Reads the header's text; `elementBytes` follow it in the file.
  init(_ text: [UInt8], file: String, elementBytes: Int) throws(TensorFileError) {
    var parser = SafetensorsHeaderParser(file: file, text: text, origin: 8)
    let header = try parser.header()
    var entries: [SafetensorsFile.Entry] = []
    entries.reserveCapacity(header.tensors.count)
    for (name, tensor) in header.tensors {
      entries.append(try SafetensorsHeader.entry(name, tensor, file: file))
    }
    // Tensors without elements share their place with the next one; the name decides then, so
    // that the order is always the same.
    entries.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound, $0.name)
        < ($1.bytes.lowerBound, $1.bytes.upperBound, $1.name)
    }
    var end = 0
    for entry in entries {
      guard entry.bytes.lowerBound == end else {
        throw .offset(
          file: file, tensor: entry.name, expected: end, found: entry.bytes.lowerBound)
      }
      end = entry.bytes.upperBound
    }
    let origin = 8 + text.count
    guard end <= elementBytes else {
      throw .truncated(
        file: file, expectedBytes: origin.addingReportingOverflow(end).partialValue,
        foundBytes: origin + elementBytes)
    }
    guard end == elementBytes else {
      throw .trailing(
        file: file, expectedBytes: origin + end, foundBytes: origin + elementBytes)
    }
    self.entries = entries
    self.metadata = header.metadata
  }

  /// A tensor whose offsets are a range of the size of its shape and type.
  private static func entry(
    _ name: String, _ tensor: SafetensorsHeaderParser.Tensor, file: String
  ) throws(TensorFileError) -> SafetensorsFile.Entry {
    guard let type = SafetensorsType(rawValue: tensor.type) else {
      throw .elementType(file: file, tensor: name, expected: nil, found: tensor.type)
    }
    guard let begin = tensor.offsets.first, let end = tensor.offsets.last,
      tensor.offsets.count == 2, 0 <= begin, begin <= end, end <= greatestInteger
    else { throw .offsets(file: file, tensor: name, found: tensor.offsets) }
    guard tensor.shape.allSatisfy({ $0 <= greatestInteger }),
      let count = try? HostTensor.count(of: tensor.shape)
    else {
      throw .shape(file: file, tensor: name, found: "\(tensor.shape)")
    }
    // At most 2⁵⁵ elements of 64 bits.
    let bits = count * type.bitCount
    let size = bits / 8 + (bits % 8 == 0 ? 0 : 1)
    guard bits % 8 == 0, end - begin == size else {
      throw .tensorSize(
        file: file, tensor: name, expectedBytes: size, foundBytes: end - begin)
    }
    return SafetensorsFile.Entry(
      name: name, type: type, shape: tensor.shape, bytes: begin..<end)
  }
}
