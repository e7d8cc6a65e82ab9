/// A tensor in a file as the command line writes it: `a.npy`, `w.safetensors`, `w.safetensors:gain` or
/// `m.gguf:blk.0.attn_q.weight`.
///
/// The ending of the path says the format, so that it needs no file to be read. The last
/// `.safetensors:` or `.gguf:` ends the path; what follows is the tensor's name. Other colons belong to
/// the path or to the name.
public struct TensorReference: Hashable, Sendable, CustomStringConvertible {
  /// A file format.
  public enum Format: String, CaseIterable, Hashable, Sendable {
    /// NumPy's: one array.
    case npy
    /// Named tensors.
    case safetensors
    /// Named tensors of ggml, some in blocks; what is written there are blocks.
    case gguf

    /// Whether a file holds tensors with names.
    public var namesTensors: Bool {
      switch self {
      case .npy: false
      case .safetensors, .gguf: true
      }
    }
  }

  /// The file.
  public let path: String
  /// The format that the path's ending says.
  public let format: Format
  /// The tensor's name; nil in a `.npy` file and where the file holds only one.
  public var name: String?

  /// Reads a reference.
  ///
  /// - Throws: ``TensorFileError/reference(_:expected:)`` for another ending, an empty name or a
  ///   name behind a `.npy` file.
  public init(_ text: String) throws(TensorFileError) {
    let bytes = Array(text.utf8)
    let ends = Format.allCases.filter(\.namesTensors).compactMap { format in
      TensorReference.lastEnd(of: ".\(format.rawValue):", in: bytes).map { (format, end: $0) }
    }
    if let (format, end) = ends.max(by: { $0.end < $1.end }) {
      path = String(decoding: bytes[..<(end - 1)], as: UTF8.self)
      self.format = format
      let name = String(decoding: bytes[end...], as: UTF8.self)
      guard !name.isEmpty else {
        throw .reference(text, expected: "the name of a tensor after ':'")
      }
      self.name = name
    } else if let format = Format.allCases.first(where: { text.utf8.hasSuffix(".\($0.rawValue)") })
    {
      path = text
      self.format = format
    } else if TensorReference.lastEnd(of: ".npy:", in: bytes) != nil {
      throw .reference(
        text, expected: "FILE.npy without ':NAME', because the array in it has no name")
    } else {
      throw .reference(text, expected: "FILE.npy, FILE.safetensors:NAME or FILE.gguf:NAME")
    }
  }

  public var description: String { name.map { "\(path):\($0)" } ?? path }

  /// The position after the last occurrence of `pattern`.
  private static func lastEnd(of pattern: String, in bytes: [UInt8]) -> Int? {
    let pattern = Array(pattern.utf8)
    guard bytes.count >= pattern.count else { return nil }
    return (pattern.count...bytes.count).last { bytes[..<$0].suffix(pattern.count) == pattern[...] }
  }
}

extension String.UTF8View {
  fileprivate func hasSuffix(_ suffix: String) -> Bool {
    self.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }
}
