internal import Foundation
internal import NormGenTensors

/// The checked header of a `.safetensors` file.
struct SafetensorsHeader {
  /// The tensors in the order of their elements.
  let entries: [SafetensorsFile.Entry]
  let metadata: [String: String]

  /// The key of the texts that belong to no tensor.
  static let metadataKey = "__metadata__"

  /// Reads the header's text; `elementBytes` follow it in the file.
  init(_ text: [UInt8], file: String, elementBytes: Int) throws(TensorFileError) {
    // A decoder would take a zero byte or a byte order mark as another encoding.
    guard text.first == UInt8(ascii: "{"), !text.contains(0) else {
      throw .syntax(
        file: file, place: "byte 8", expected: "a JSON object that begins with '{'",
        found: quoted(String(decoding: text.prefix(16), as: UTF8.self)))
    }
    let header: JSONHeader
    do { header = try JSONDecoder().decode(JSONHeader.self, from: Data(text)) } catch {
      throw SafetensorsHeader.failure(error, file: file)
    }
    if let key = JSONKeys.repeated(in: text) { throw .duplicateKey(file: file, key: key) }

    var entries: [SafetensorsFile.Entry] = []
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
    _ name: String, _ tensor: JSONTensor, file: String
  ) throws(TensorFileError) -> SafetensorsFile.Entry {
    guard let type = SafetensorsType(rawValue: tensor.dtype) else {
      throw .elementType(file: file, tensor: name, expected: nil, found: tensor.dtype)
    }
    guard let begin = tensor.offsets.first, let end = tensor.offsets.last,
      tensor.offsets.count == 2, 0 <= begin, begin <= end, end <= Int.max >> 8
    else { throw .offsets(file: file, tensor: name, found: tensor.offsets) }
    guard let count = try? HostTensor.count(of: tensor.shape) else {
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

  /// What the decoder found, in the terms of this format.
  private static func failure(_ error: any Error, file: String) -> TensorFileError {
    guard let error = error as? DecodingError else {
      return .syntax(
        file: file, place: "header", expected: "JSON", found: "\(error)")
    }
    switch error {
    case .keyNotFound(let key, let context):
      return .missingKey(
        file: file, key: place(of: context.codingPath + [key]))
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      return .value(
        file: file, key: place(of: context.codingPath), expected: "of type \(type)",
        found: context.debugDescription)
    case .dataCorrupted(let context):
      let cause = (context.underlyingError as NSError?)?.userInfo[NSDebugDescriptionErrorKey]
      let path = place(of: context.codingPath)
      return .syntax(
        file: file, place: path.isEmpty ? "header" : "'\(path)' in the header",
        expected: "JSON as the format has it",
        found: excerpt(cause.map { "\($0)" } ?? context.debugDescription))
    @unknown default:
      return .syntax(file: file, place: "header", expected: "JSON", found: "\(error)")
    }
  }

  private static func place(of path: [any CodingKey]) -> String {
    excerpt(path.map(\.stringValue).joined(separator: "."))
  }
}

/// The header as JSON has it.
private struct JSONHeader: Decodable {
  var tensors: [(String, JSONTensor)] = []
  var metadata: [String: String] = [:]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    // In order, so that of several mistakes the same one is always reported.
    for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
      if key.stringValue == SafetensorsHeader.metadataKey {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        tensors.append((key.stringValue, try container.decode(JSONTensor.self, forKey: key)))
      }
    }
  }
}

/// One tensor of the header.
private struct JSONTensor: Decodable {
  let dtype: String
  let shape: [Int]
  let offsets: [Int]

  enum CodingKeys: String, CodingKey, CaseIterable {
    case dtype
    case shape
    case offsets = "data_offsets"
  }

  init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue).sorted()
    let known = CodingKeys.allCases.map(\.stringValue)
    if let key = keys.first(where: { !known.contains($0) }) {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath,
          debugDescription: "an unknown key \(quoted(key)) beside \(known.joined(separator: ", "))"
        ))
    }
    let container = try decoder.container(keyedBy: CodingKeys.self)
    dtype = try container.decode(String.self, forKey: .dtype)
    shape = try container.decode([Int].self, forKey: .shape)
    offsets = try container.decode([Int].self, forKey: .offsets)
  }
}

/// A key that may be any text.
private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}
