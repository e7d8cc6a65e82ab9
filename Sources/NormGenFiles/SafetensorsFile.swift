public import NormGenIR
public import NormGenTensors

/// A `.safetensors` file: named tensors behind a JSON header.
///
/// Opening it checks the whole header against the file: every tensor has the bytes of its shape
/// and type, and the tensors cover the rest of the file without holes or overlaps. Elements are
/// read only when a tensor is loaded, and are never converted.
public struct SafetensorsFile: Sendable {
  /// A tensor that the header describes.
  public struct Entry: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// The type of its elements.
    public let type: SafetensorsType
    /// The extents, outermost first; empty for a scalar.
    public let shape: [Int]
    /// Where its bytes lie, counted from the end of the header.
    public let bytes: Range<Int>
  }

  /// The tensors in the order of their elements.
  public let entries: [Entry]
  /// The texts that the header carries beside the tensors.
  public let metadata: [String: String]
  let file: InputFile
  /// Where the elements begin.
  let origin: Int

  /// The longest header of the format.
  public static let longestHeader = 100_000_000

  /// The path as given.
  var path: String { file.path }

  /// Reads the header and checks it.
  ///
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public init(_ path: String) throws(TensorFileError) {
    let file = try InputFile(path)
    guard file.size >= 8 else {
      throw .truncated(file: path, expectedBytes: 8, foundBytes: file.size)
    }
    let length = try file.bytes(at: 0, count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    let limit = min(SafetensorsFile.longestHeader, file.size - 8)
    guard length <= limit else {
      throw .headerLength(file: path, atMost: limit, found: length)
    }
    let origin = 8 + Int(length)
    let header = try SafetensorsHeader(
      try file.bytes(at: 8, count: Int(length)), file: path, elementBytes: file.size - origin)
    self.entries = header.entries
    self.metadata = header.metadata
    self.file = file
    self.origin = origin
  }

  /// Loads one tensor.
  ///
  /// - Parameters:
  ///   - name: The tensor; nil for the only one of the file.
  ///   - expected: The storage type that the elements must have; nil for any.
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public func load(
    _ name: String? = nil, as expected: DType? = nil
  ) throws(TensorFileError) -> HostTensor {
    let entry = try file.entry(name, of: entries, named: \.name)
    guard let storage = entry.type.storage, expected == nil || expected == storage else {
      throw .elementType(
        file: file.path, tensor: entry.name, expected: expected, found: entry.type.rawValue)
    }
    return try file.tensor(at: origin + entry.bytes.lowerBound, shape: entry.shape, storage)
  }
}
