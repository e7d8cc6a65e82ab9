public import NormGenIR

/// Why a tensor file can't be read or written: the file, what was expected and what was found.
///
/// Nothing has been written where one of these is thrown, and an existing file is as it was.
public enum TensorFileError: Error, Hashable, Sendable {
  /// A text that names no tensor in a file.
  case reference(String, expected: String)
  /// The system refused an operation; `code` is its `errno`.
  case system(operation: String, file: String, code: CInt)
  /// A directory, device or pipe where a file belongs; `found` says which.
  case notRegular(file: String, found: String)
  /// Something else where a directory belongs.
  case notDirectory(file: String, found: String)
  /// A link to be written through to a file that does not exist.
  case danglingLink(file: String, target: String)
  /// A file to be replaced that nobody may write.
  case readOnly(file: String)
  /// A file to be replaced that standard output is written to.
  case standardOutput(file: String)
  /// Two outputs that are one file under two names.
  case oneFile(String, String)
  /// An output that is one of the inputs.
  case replacesInput(file: String, input: String)
  /// A file whose size changed between its header and its elements.
  case changed(file: String)
  /// A tensor with more bytes than the machine has memory.
  case beyondMemory(file: String, byteCount: Int, memory: Int)
  /// A tensor for which the system gives no memory.
  case noMemory(file: String, byteCount: Int)
  /// The file ends before its header does, or before the elements that its header declares.
  case truncated(file: String, expectedBytes: Int, foundBytes: Int)
  /// The file goes on after the elements that its header declares.
  case trailing(file: String, expectedBytes: Int, foundBytes: Int)
  /// The file does not begin as its format does.
  case magic(file: String, expected: String, found: String)
  /// A version of the format that does not exist, or is not read.
  case version(file: String, expected: String, found: String)
  /// A header that claims to be longer than the file, or than any header may be.
  case headerLength(file: String, atMost: Int, found: UInt64)
  /// A header that claims to go on with more things than the rest of the file has bytes for.
  case count(file: String, of: String, atMost: Int, found: UInt64)
  /// A header whose text is not of the format's grammar; `place` says where.
  case syntax(file: String, place: String, expected: String, found: String)
  /// A header without a necessary key.
  case missingKey(file: String, key: String)
  /// A header with a key that the format does not have.
  case unknownKey(file: String, key: String, known: [String])
  /// A header with the same key twice.
  case duplicateKey(file: String, key: String)
  /// A key with a value of the wrong kind.
  case value(file: String, key: String, expected: String, found: String)
  /// A negative extent, or more elements than addresses; the shape as the header writes it.
  case shape(file: String, tensor: String?, found: String)
  /// More axes than the format has.
  case rank(file: String, tensor: String?, atMost: Int, found: Int)
  /// Elements in column-major order.
  case fortranOrder(file: String)
  /// Elements in big-endian order.
  case byteOrder(file: String, found: String)
  /// A `.gguf` file all of whose numbers are big-endian.
  case bigEndian(file: String)
  /// Blocks of another type than the caller needs, or none.
  case blockType(file: String, tensor: String, expected: String, found: String)
  /// A tensor of a quantized layer that does not fit what the caller needs, or the layer's others.
  case layer(file: String, tensor: String, expected: String, found: String)
  /// A description of a quantized checkpoint that is no such JSON.
  case config(file: String, found: String)
  /// Elements of another type than the caller needs, or of none that kernels know.
  case elementType(file: String, tensor: String?, expected: DType?, found: String)
  /// Raw 16-bit elements where the caller did not say that they are bf16.
  case ambiguousType(file: String, found: String)
  /// Elements of a type that a `.npy` file can't hold.
  case noElementType(file: String, DType)
  /// A tensor whose bytes are not its shape's and type's.
  case tensorSize(file: String, tensor: String, expectedBytes: Int, foundBytes: Int)
  /// A tensor that does not begin where the one before it ends.
  case offset(file: String, tensor: String, expected: Int, found: Int)
  /// A tensor whose data does not lie where it may; `found` is the byte where it begins.
  case placement(file: String, tensor: String, expected: String, found: UInt64)
  /// A tensor that ends behind the end of the file.
  case cutOff(file: String, tensor: String, expectedBytes: Int, foundBytes: Int)
  /// Rows that are no whole number of the type's blocks.
  case rowLength(file: String, tensor: String, multiple: Int, type: String, found: UInt64)
  /// A tensor's begin and end that are no range.
  case offsets(file: String, tensor: String, found: [Int])
  /// No tensor of that name is in the file.
  case noTensor(file: String, name: String, names: [String])
  /// A file with several tensors, or none, of which none was named.
  case unnamed(file: String, names: [String])
  /// Two tensors to be written to the same place.
  case writtenTwice(file: String, tensor: String?)
  /// A name that a tensor in the format can't have.
  case reservedName(file: String, name: String)
  /// A name of more bytes than a tensor in the format may have.
  case nameLength(file: String, tensor: String, atMost: Int, found: Int)
}
