/// A place in a Swift source file that calls the DSL, or in the text form.
public struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  /// The file as `#fileID` gives it, or the name of the text.
  public let fileID: String
  /// The line, from 1.
  public let line: UInt
  /// The column in characters, from 1; nil where only the line is known.
  public let column: UInt?

  /// Creates a location.
  public init(fileID: String, line: UInt, column: UInt? = nil) {
    self.fileID = fileID
    self.line = line
    self.column = column
  }

  public var description: String { "\(fileID):\(line)" + (column.map { ":\($0)" } ?? "") }
}

/// A kernel that has no meaning: what is wrong, and where it was written.
public struct GraphError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong with a kernel.
  public enum Reason: Hashable, Sendable {
    /// Shapes that do not fit.
    case shape(ShapeError)
    /// A name that is no identifier, or a C keyword.
    case invalidName(String, role: String)
    /// Two parameters have the same name.
    case duplicateName(String)
    /// A kernel without outputs.
    case noOutput
    /// A declared input that no output depends on.
    case unusedInput(String)
    /// An input name declared with two different shapes or types.
    case conflictingInput(String)
    /// A constant that is NaN.
    case notANumber
    /// An output whose shape has no dynamic rows.
    case outputWithoutRows(String, Shape)
    /// A chain of more values than this, one computed from the other.
    case tooDeep(limit: Int)
    /// A concatenation of more parts than this, those of its parts that are concatenations counted.
    case tooManyParts(Int, limit: Int)
    /// A number that an argument of a composition does not admit.
    case argument(String, of: String, expected: String, found: Float)
    /// Operands that a matmul does not admit.
    case matmul(MatmulError)
    /// Blocks of a format that lie elsewhere than in an input stored as u8.
    case blocksOfOther(String, found: Op)
    /// An internal invariant of the graph does not hold.
    case malformed(String)
  }

  /// What is wrong.
  public let reason: Reason
  /// Where the value was written, if known.
  public let location: SourceLocation?
  /// The kernel, if known.
  public let kernel: String?

  /// Creates an error.
  public init(_ reason: Reason, at location: SourceLocation? = nil, kernel: String? = nil) {
    self.reason = reason
    self.location = location
    self.kernel = kernel
  }

  public var description: String {
    let place = [kernel.map { "kernel '\($0)'" }, location?.description]
      .compactMap { $0 }.joined(separator: ", ")
    return (place.isEmpty ? "" : place + ": ") + reason.description
  }
}

extension GraphError.Reason: CustomStringConvertible {
  public var description: String {
    switch self {
    case .shape(let error): error.description
    case .invalidName(let name, let role):
      "the \(role) name \(String(reflecting: name)) must be a C identifier (letters, digits and "
        + "underscores, at most \(Identifier.longest), not starting with a digit) and no C keyword"
    case .duplicateName(let name):
      "two parameters are named '\(name)'; inputs and outputs need distinct names"
    case .noOutput: "a kernel needs at least one output"
    case .unusedInput(let name): "no output depends on the input '\(name)'"
    case .conflictingInput(let name):
      "the input '\(name)' is declared twice with different shapes or types"
    case .notANumber: "a constant must not be NaN"
    case .outputWithoutRows(let name, let shape):
      "the output '\(name)' has shape \(shape); an output must begin with 'rows' or "
        + "be taken over all rows; compute what depends on parameters alone without a kernel"
    case .tooDeep(let limit):
      "a value must depend on an input through at most \(limit) others; make one in between an "
        + "output, and an input of a second kernel"
    case .tooManyParts(let count, let limit):
      "a concatenation has at most \(limit) parts, those of its parts that are concatenations counted, "
        + "found \(count)"
    case .argument(let label, let function, let expected, let found):
      "'\(label)' of '\(function)' must be \(expected), found \(found)"
    case .matmul(let error): error.description
    case .blocksOfOther(let format, let found):
      "\(format) blocks are the bytes of an input stored as u8, found \(found.noun)"
    case .malformed(let what): what
    }
  }
}
