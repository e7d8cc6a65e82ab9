public import NormGenIR

/// A function of a lowered kernel: what is printed as one function of C.
public struct LoopFunction: Hashable, Sendable {
  /// Who may call the function.
  public enum Linkage: Hashable, Sendable {
    /// Everybody: it is declared in the header.
    case exported
    /// The kernel's other functions.
    case local
    /// The same, compiled once by itself: inlined, it would take registers from loops around it.
    case separate
    /// The same, compiled anew in every call, so that constant arguments are constants in it.
    case inlined
  }

  /// What a function takes.
  public struct Parameter: Hashable, Sendable {
    /// What a parameter is.
    public enum Kind: Hashable, Sendable {
      /// A whole number.
      case index
      /// A whole number that every call gives as a constant.
      case constant
      /// True or false.
      case flag
      /// A place among elements of a type.
      case elements(DType, isWritable: Bool)
      /// The elements from row to row of another parameter.
      case stride(of: String)
      /// Memory that functions divide, of any alignment, lent by the caller of the kernel.
      case scratch
      /// Memory in it, from a multiple of 64 bytes on.
      case memory
    }

    /// The name, unique in the function.
    public let name: String
    /// What it is.
    public let kind: Kind
    /// The elements of a tensor's row, or of all of it, that the function may touch; nil for any that
    /// the caller has.
    public let columns: Int?

    /// Creates a parameter.
    public init(_ name: String, _ kind: Kind, columns: Int? = nil) {
      self.name = name
      self.kind = kind
      self.columns = columns
    }
  }

  /// The name, unique in the emitted file.
  public let name: String
  /// What it does, for the reader.
  public let comment: String
  /// Who may call it.
  public let linkage: Linkage
  /// What it takes.
  public let parameters: [Parameter]
  /// Whether it returns a whole number.
  public let returnsIndex: Bool
  /// Whether no tensor that it takes overlaps another that it writes.
  public let hasDistinctTensors: Bool
  /// The pointers whose vectors bypass the caches where the flag `stream` is set.
  public let streamed: Set<String>
  /// What it does.
  public let body: [Stmt]

  /// Creates a function.
  public init(
    _ name: String, comment: String, linkage: Linkage = .local, parameters: [Parameter],
    returnsIndex: Bool = false, hasDistinctTensors: Bool = false, streamed: Set<String> = [],
    body: [Stmt]
  ) {
    self.name = name
    self.comment = comment
    self.linkage = linkage
    self.parameters = parameters
    self.returnsIndex = returnsIndex
    self.hasDistinctTensors = hasDistinctTensors
    self.streamed = streamed
    self.body = body
  }
}

/// What a call gives for a parameter.
public enum CallArgument: Hashable, Sendable {
  /// A whole number.
  case index(Index)
  /// True or false.
  case flag(LoopCondition)
  /// A place some elements behind a pointer or buffer; bytes for memory.
  case place(String, at: Index)
}

/// A choice that whole numbers decide.
public indirect enum LoopCondition: Hashable, Sendable {
  /// What always holds.
  case always
  /// A parameter or named choice.
  case flag(String)
  /// Whether the first is less.
  case less(Index, Index)
  /// Whether the first is at most the second.
  case atMost(Index, Index)
  /// Whether both are the same.
  case equal(Index, Index)
  /// Whether every row of a tensor begins at a multiple of some bytes.
  case rowsAligned(String, DType, to: Int)
  /// Whether both hold.
  case both(LoopCondition, LoopCondition)
}

/// Places of a loop that are handled together, so many at a time.
public struct LoopStrip: Hashable, Sendable {
  /// How many.
  public let count: Int
  /// What is done with them; the loop's index is the first.
  public let body: [Stmt]

  /// Creates a strip.
  public init(count: Int, body: [Stmt]) {
    self.count = count
    self.body = body
  }
}

/// The functions of a lowered kernel, each before its callers.
public struct LoopModule: Hashable, Sendable {
  /// How the kernel is called.
  public let interface: KernelInterface
  /// Float32 lanes of a vector.
  public let lanes: Int
  /// The functions.
  public let functions: [LoopFunction]

  /// Creates a module.
  public init(interface: KernelInterface, lanes: Int, functions: [LoopFunction]) {
    self.interface = interface
    self.lanes = lanes
    self.functions = functions
  }
}
