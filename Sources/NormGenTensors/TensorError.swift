public import NormGenIR

/// A tensor in memory that can't be made or does not fit.
public enum TensorError: Error, Hashable, Sendable, CustomStringConvertible {
  /// An extent is negative, or the product of the extents overflows.
  case shape([Int])
  /// The number of elements differs from the shape's.
  case elementCount(shape: [Int], expected: Int, found: Int)
  /// The number of bytes differs from the shape's and type's.
  case byteCount(shape: [Int], storage: DType, expected: Int, found: Int)
  /// The system gives no memory of that size.
  case memory(byteCount: Int)
  /// A row that the tensor does not have.
  case row(Int, count: Int)

  public var description: String {
    switch self {
    case .shape(let shape):
      "the shape \(shape) has a negative extent or more bytes than memory can hold"
    case .elementCount(let shape, let expected, let found):
      "the shape \(shape) has \(expected) elements, found \(found)"
    case .byteCount(let shape, let storage, let expected, let found):
      "\(storage.rawValue) elements of shape \(shape) take \(expected) bytes, found \(found)"
    case .memory(let byteCount):
      "the system has no memory for \(byteCount) bytes"
    case .row(let row, let count):
      "expected the number of a row from 0 to \(count - 1), found \(row)"
    }
  }
}
