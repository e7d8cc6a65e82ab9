public import NormGenIR

/// A call that would read or write the wrong memory; nothing has been touched.
public enum CallError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The number of arguments differs from the number of parameters.
  case argumentCount(kernel: String, expected: [String], found: Int)
  /// A parameter was given no tensor.
  case missing(parameter: String)
  /// A parameter was given twice.
  case repeated(name: String)
  /// The number of outputs differs from the number given.
  case outputCount(kernel: String, expected: [String], found: Int)
  /// A tensor was given that the kernel has no parameter for.
  case unknown(name: String, parameters: [String])
  /// Negative rows, or more than addresses can count.
  case rows(Int)
  /// Less than one thread.
  case threads(Int)
  /// The elements have another type.
  case storage(parameter: String, expected: DType, found: DType)
  /// The tensor has another shape.
  case shape(parameter: String, expected: Shape, found: [Int])
  /// Two tensors have different numbers of rows.
  case rowsDiffer(parameter: String, expected: Int, found: Int)
  /// A row stride for a parameter without rows.
  case needlessRowStride(parameter: String, found: Int)
  /// A row stride below the elements of a row, or so large that offsets overflow.
  case rowStride(parameter: String, atLeast: Int, found: Int)
  /// An array with more or fewer elements than the parameter has in so many rows.
  case elementCount(parameter: String, expected: Int, found: Int)
  /// A buffer that ends before its last row does.
  case tooShort(parameter: String, expectedBytes: Int, foundBytes: Int)
  /// A buffer that does not begin at a multiple of its element's size.
  case misaligned(parameter: String, alignment: Int, address: UInt)
  /// Packed weights for a parameter that takes none.
  case notPacked(parameter: String)
  /// Weights that were packed for another kind of matmul.
  case packedOtherwise(parameter: String)
  /// An output whose memory was given for reading only.
  case readOnly(output: String)
  /// An output with an element whose memory is another parameter's, too.
  case overlapping(output: String, other: String)
  /// The system gives no memory of that size.
  case memory(of: String, byteCount: Int)

  public var description: String {
    switch self {
    case .argumentCount(let kernel, let expected, let found):
      "'\(kernel)' takes \(expected.count) tensors (\(expected.joined(separator: ", "))), "
        + "found \(found)"
    case .repeated(let name): "the parameter '\(name)' is given twice"
    case .outputCount(let kernel, let expected, let found):
      "'\(kernel)' writes \(expected.count) tensors (\(expected.joined(separator: ", "))), "
        + "found \(found)"
    case .missing(let parameter): "no tensor was given for '\(parameter)'"
    case .unknown(let name, let parameters):
      "there is no parameter '\(name)'; parameters: \(parameters.joined(separator: ", "))"
    case .rows(let rows): "expected a number of rows from 0 on that fits memory, found \(rows)"
    case .threads(let threads): "expected a number of threads from 1 on, found \(threads)"
    case .storage(let parameter, let expected, let found):
      "'\(parameter)' must have \(expected.rawValue) elements, found \(found.rawValue)"
    case .shape(let parameter, let expected, let found):
      "'\(parameter)' must have shape \(expected), found \(found)"
    case .rowsDiffer(let parameter, let expected, let found):
      "'\(parameter)' must have \(expected) rows like the tensors before it, found \(found)"
    case .needlessRowStride(let parameter, let found):
      "'\(parameter)' has no rows, so that it takes no row stride, found \(found)"
    case .rowStride(let parameter, let least, let found):
      "the row stride of '\(parameter)' must be at least \(least) elements and keep offsets "
        + "within 64 bits, found \(found)"
    case .elementCount(let parameter, let expected, let found):
      "'\(parameter)' must have \(expected) elements, found \(found)"
    case .tooShort(let parameter, let expected, let found):
      "the buffer of '\(parameter)' must hold \(expected) bytes, found \(found)"
    case .misaligned(let parameter, let alignment, let address):
      "the buffer of '\(parameter)' must begin at a multiple of \(alignment) bytes, found address "
        + "0x\(String(address, radix: 16))"
    case .notPacked(let parameter):
      "'\(parameter)' takes no packed weights; it is no weight matrix of a kernel that packs them"
    case .packedOtherwise(let parameter):
      "the packed weights given for '\(parameter)' were packed for a matmul of other extents, types "
        + "or another target"
    case .readOnly(let output):
      "the output '\(output)' needs memory that may be written, found memory for reading only"
    case .overlapping(let output, let other):
      "the output '\(output)' shares memory with '\(other)'"
    case .memory(let what, let byteCount):
      "the system has no memory for \(what): \(byteCount) bytes"
    }
  }
}
