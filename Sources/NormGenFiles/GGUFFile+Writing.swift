internal import NormGenIR
public import NormGenTensors

extension GGUFFile {
  /// The longest name of a tensor that ggml's own reader takes, in bytes.
  public static let longestName = 63

  /// What the format asks for in a file with blocks: the version of ggml's definition of them.
  private static let quantization = (key: "general.quantization_version", version: UInt32(2))

  /// Writes tensors in blocks with their names, in place of all that the file held: version 3, in the order
  /// that they are given in.
  ///
  /// The metadata is the version of the blocks alone, as tensors make no model. The file appears whole or not
  /// at all.
  ///
  /// - Throws: ``TensorFileError`` for a name that stands twice or can't be used, and for more than four axes;
  ///   an existing file is then as it was.
  public static func write(
    _ tensors: [(name: String, tensor: BlockTensor)], to path: String
  ) throws(TensorFileError) {
    try write(tensors, to: path, notReplacing: [])
  }

  /// Writes tensors in blocks.
  ///
  /// - Parameter inputs: Files that are read, of which none may be replaced.
  package static func write(
    _ tensors: [(name: String, tensor: BlockTensor)], to path: String, notReplacing inputs: [String]
  ) throws(TensorFileError) {
    let destination = try Destination(path)
    try Destination.check([destination], notReplacing: inputs)
    let file = try PendingFile(destination)
    let header = try header(of: tensors, file: file.path)
    try file.append(header + padding(behind: header.count))
    for (_, tensor) in tensors {
      try tensor.withUnsafeBytes { bytes throws(TensorFileError) in try file.append(bytes) }
      // The last one, too: ggml's own reader reads all data at once.
      try file.append(padding(behind: tensor.byteCount))
    }
    try file.commit()
  }

  /// Refuses names that no tensor of the format can have.
  package static func check(name: String, file: String) throws(TensorFileError) {
    // The format's text is UTF-8, which an argument need not be.
    guard !name.isEmpty, !name.utf8.contains(0), SystemText.bytes(of: name) == Array(name.utf8)
    else { throw .reservedName(file: file, name: name) }
    guard name.utf8.count <= longestName else {
      throw .nameLength(file: file, tensor: name, atMost: longestName, found: name.utf8.count)
    }
  }

  /// All before the data, but for what fills it up.
  private static func header(
    of tensors: [(name: String, tensor: BlockTensor)], file: String
  ) throws(TensorFileError) -> [UInt8] {
    var header = GGUFHeader.magic + bytes(of: UInt32(3))
    header += bytes(of: UInt64(tensors.count)) + bytes(of: UInt64(1))
    header += bytes(of: quantization.key) + bytes(of: GGUFValueType.uint32.rawValue)
    header += bytes(of: quantization.version)
    var names: Set<String> = []
    var end = 0
    for (name, tensor) in tensors {
      try check(name: name, file: file)
      guard names.insert(name).inserted else { throw .writtenTwice(file: file, tensor: name) }
      guard tensor.shape.count <= GGUFHeader.greatestRank else {
        throw .rank(
          file: file, tensor: name, atMost: GGUFHeader.greatestRank, found: tensor.shape.count)
      }
      header += bytes(of: name) + bytes(of: UInt32(tensor.shape.count))
      // The file has the innermost extent first.
      header += tensor.shape.reversed().flatMap { bytes(of: UInt64($0)) }
      guard let number = tensor.format.number else {
        preconditionFailure("a quantizer makes ggml's formats")
      }
      header += bytes(of: number) + bytes(of: UInt64(end))
      end = (end + tensor.byteCount).alignedUp(to: GGUFHeader.usualAlignment)
    }
    return header
  }

  /// What fills bytes up to the alignment.
  private static func padding(behind count: Int) -> [UInt8] {
    [UInt8](repeating: 0, count: count.alignedUp(to: GGUFHeader.usualAlignment) - count)
  }

  /// A whole number, little-endian.
  private static func bytes(of value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// A text behind its length.
  private static func bytes(of text: String) -> [UInt8] {
    bytes(of: UInt64(text.utf8.count)) + Array(text.utf8)
  }
}
