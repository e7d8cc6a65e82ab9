/// A tensor in a file as the command line writes it: `a.npy`, `w.safetensors` or
/// `w.safetensors:gain`.
///
/// The ending of the path says the format, so that it needs no file to be read. The last
/// `.safetensors:` ends the path; what follows is the tensor's name. Other colons belong to the
/// path or to the name.
public struct TensorReference: Hashable, Sendable, CustomStringConvertible {
  /// A file format.
  public enum Format: String, CaseIterable, Hashable, Sendable {
    /// NumPy's: one array.
    case npy
    /// Named tensors.
    case safetensors
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
    if let end = TensorReference.lastEnd(of: ".safetensors:", in: bytes) {
      path = String(decoding: bytes[..<(end - 1)], as: UTF8.self)
      format = .safetensors
      let name = String(decoding: bytes[end...], as: UTF8.self)
      guard !name.isEmpty else {
        throw .reference(text, expected: "the name of a tensor after ':'")
      }
      self.name = name
    } else if text.utf8.hasSuffix(".safetensors") {
      path = text
      format = .safetensors
    } else if text.utf8.hasSuffix(".npy") {
      path = text
      format = .npy
    } else if TensorReference.lastEnd(of: ".npy:", in: bytes) != nil {
      throw .reference(
        text, expected: "FILE.npy without ':NAME', because the array in it has no name")
    } else {
      throw .reference(text, expected: "FILE.npy, FILE.safetensors or FILE.safetensors:NAME")
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
