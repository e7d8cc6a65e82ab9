public import NormGenIR

/// Why a tensor can't be quantized: where, what was expected and what was found.
public enum QuantizationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A format whose blocks ggml has no one reference quantizer for, and the names of those that it has one for.
  case noQuantizer(format: String, known: [String])
  /// Elements of a type without fractions.
  case storage(DType)
  /// Rows that are no whole number of the format's blocks.
  case rowLength(format: String, multiple: Int, found: Int)
  /// A NaN or an infinity, and its index.
  case notFinite(format: String, element: [Int], found: String)
  /// A block with a scale or minimum that its type can't hold; `first` is the index of its first element.
  case beyondRange(
    format: String, factor: String, first: [Int], type: DType, found: String)
  /// Blocks that the system has no memory for.
  case tensor(TensorError)

  public var description: String {
    switch self {
    case .noQuantizer(let format, let known):
      "there is no reference quantizer for \(format); there is one for "
        + known.joined(separator: ", ")
    case .storage(let found):
      "expected f32, bf16 or f16 elements to quantize, found \(found.rawValue)"
    case .rowLength(let format, let multiple, let found):
      "expected rows of a multiple of \(multiple) elements, as a block of \(format) has, found \(found)"
    case .notFinite(let format, let element, let found):
      "element \(element): expected a finite number for a block of \(format), found \(found)"
    case .beyondRange(let format, let factor, let first, let type, let found):
      "the block from element \(first) on: expected a \(factor) of magnitude "
        + "\(Int(type.greatestFiniteMagnitude)) at most, the greatest \(type.rawValue), for \(format), "
        + "found \(found)"
    case .tensor(let error): "\(error)"
    }
  }
}
