public import NormGenIR
public import NormGenTensors

/// A `.gguf` file, as llama.cpp and ggml have them: named tensors behind typed metadata, versions 2 and 3,
/// little-endian.
///
/// Opening it checks the whole header against the file: every tensor has the bytes of its shape and type,
/// is aligned, and begins where the one before it ends. Elements are read only when a tensor is loaded.
///
/// f32, f16, bf16 and i8 elements are never converted. A tensor in blocks is loaded as the Float32 values
/// that its ``BlockFormat`` defines, or as the blocks' bytes.
public struct GGUFFile: Sendable {
  /// A tensor that the header describes.
  public struct Entry: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// The type of its elements or blocks.
    public let type: GGUFTensorType
    /// The extents, outermost first; the file has them the other way round. Empty for a scalar.
    public let shape: [Int]
    /// Where its bytes lie, counted from the begin of the data behind the header.
    public let bytes: Range<Int>
  }

  /// The version of the format.
  public let version: Int
  /// The values that the header carries beside the tensors.
  public let metadata: [String: GGUFValue]
  /// What the places of tensors are multiples of, in bytes.
  public let alignment: Int
  /// The tensors in the order of their data.
  public let entries: [Entry]
  private let file: InputFile
  /// Where the data begins.
  private let origin: Int

  /// The longest header that is read, in bytes; one with the largest vocabulary has a tenth of it.
  public static let longestHeader = 100_000_000

  /// Reads the header and checks it.
  ///
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public init(_ path: String) throws(TensorFileError) {
    let file = try InputFile(path)
    let header = try GGUFHeader(file)
    version = header.version
    metadata = header.metadata
    alignment = header.alignment
    entries = header.entries
    origin = header.origin
    self.file = file
  }

  /// Loads one tensor.
  ///
  /// - Parameters:
  ///   - name: The tensor; nil for the only one of the file.
  ///   - expected: The storage type that the elements must have; nil for any. Blocks have `.f32`.
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public func load(
    _ name: String? = nil, as expected: DType? = nil
  ) throws(TensorFileError) -> HostTensor {
    let entry = try file.entry(name, of: entries, named: \.name)
    guard let storage = entry.type.storage, expected == nil || expected == storage else {
      throw .elementType(
        file: file.path, tensor: entry.name, expected: expected, found: entry.type.name)
    }
    guard let format = entry.type.format else {
      return try file.tensor(at: origin + entry.bytes.lowerBound, shape: entry.shape, storage)
    }
    var tensor = try file.zeros(entry.shape, storage)
    try tensor.withUnsafeMutableBytes { values throws(TensorFileError) in
      try dequantize(entry, BlockDecoder(format), into: values)
    }
    try file.checkUnchanged()
    return tensor
  }

  /// Loads the blocks of one tensor as they are: u8 elements, the bytes of a row of blocks in the place of
  /// the last axis.
  ///
  /// - Parameters:
  ///   - name: The tensor; nil for the only one of the file.
  ///   - format: What the blocks must be.
  /// - Throws: ``TensorFileError`` naming the file, what was expected and what was found.
  public func load(
    _ name: String? = nil, blocksOf format: BlockFormat
  ) throws(TensorFileError) -> HostTensor {
    let entry = try file.entry(name, of: entries, named: \.name)
    guard entry.type.format == format, let extent = entry.shape.last else {
      throw .blockType(
        file: file.path, tensor: entry.name, expected: format.name, found: entry.type.name)
    }
    let rowBytes = extent / format.elementCount * format.byteCount
    return try file.tensor(
      at: origin + entry.bytes.lowerBound, shape: entry.shape.dropLast() + [rowBytes], .u8)
  }

  /// Reads and decodes a few blocks at a time.
  private func dequantize(
    _ entry: Entry, _ decoder: BlockDecoder, into values: UnsafeMutableRawBufferPointer
  ) throws(TensorFileError) {
    let values = values.bindMemory(to: Float.self)
    let format = decoder.format
    let most = max(1, (1 << 18) / format.byteCount)
    var block = 0
    while block < entry.bytes.count / format.byteCount {
      let count = min(most, entry.bytes.count / format.byteCount - block)
      let blocks = try file.bytes(
        at: origin + entry.bytes.lowerBound + block * format.byteCount,
        count: count * format.byteCount)
      let first = block * format.elementCount
      blocks.withUnsafeBytes {
        decoder.decode(
          $0,
          into: UnsafeMutableBufferPointer(
            rebasing: values[first..<first + count * format.elementCount]))
      }
      block += count
    }
  }
}
