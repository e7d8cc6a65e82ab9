public import NormGenIR

/// A function of a lowered kernel: what is printed as one function of C.
public struct LoopFunction: Hashable, Sendable {
  /// Who may call the function.
  public enum Linkage: Hashable, Sendable {
    /// Everybody: it is declared in the header.
    case exported
    /// The kernel's other functions.
    case local
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

    /// Creates a parameter.
    public init(_ name: String, _ kind: Kind) {
      self.name = name
      self.kind = kind
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
  /// What it does.
  public let body: [Stmt]

  /// Creates a function.
  public init(
    _ name: String, comment: String, linkage: Linkage = .local, parameters: [Parameter],
    returnsIndex: Bool = false, body: [Stmt]
  ) {
    self.name = name
    self.comment = comment
    self.linkage = linkage
    self.parameters = parameters
    self.returnsIndex = returnsIndex
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
  /// A parameter.
  case flag(String)
  /// Whether the first is less.
  case less(Index, Index)
  /// Whether the first is at most the second.
  case atMost(Index, Index)
  /// Whether both are the same.
  case equal(Index, Index)
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

/// The functions of a lowered kernel, in an order in which each stands before its callers.
public struct LoopModule: Hashable, Sendable {
  /// One function.
  public enum Member: Hashable, Sendable {
    /// A function as it is.
    case function(LoopFunction)
    /// A row program: the function takes the rows, then the kernel's buffers, each with its stride
    /// if it has rows.
    case rows(RowProgram)

    /// The function's name.
    public var name: String {
      switch self {
      case .function(let function): function.name
      case .rows(let rows): rows.name
      }
    }
  }

  /// How the kernel is called.
  public let interface: KernelInterface
  /// Float32 lanes of a vector.
  public let lanes: Int
  /// The functions.
  public let members: [Member]

  /// Creates a module.
  public init(interface: KernelInterface, lanes: Int, members: [Member]) {
    self.interface = interface
    self.lanes = lanes
    self.members = members
  }

  /// A module of one row program.
  public init(_ kernel: LoopKernel, symbol: String) {
    self.init(
      interface: KernelInterface(
        symbol: symbol, entry: "\(symbol)_entry",
        parameters: kernel.buffers.map { .init(buffer: $0, packing: nil) }, parts: nil),
      lanes: kernel.lanes,
      members: [
        .rows(RowProgram(name: symbol, comment: "", kernel: kernel, takesAllRows: false))
      ])
  }

  /// The functions that are no row programs.
  public var functions: [LoopFunction] {
    members.compactMap { member in
      switch member {
      case .function(let function): function
      case .rows: nil
      }
    }
  }
}

/// A row program under the name of its function.
public struct RowProgram: Hashable, Sendable {
  /// The function's name, unique in the emitted file.
  public let name: String
  /// What it does, for the reader.
  public let comment: String
  /// The loops.
  public let kernel: LoopKernel
  /// Whether the function is told the rows of the whole call after its buffers.
  public let takesAllRows: Bool

  /// Creates a row program.
  public init(name: String, comment: String, kernel: LoopKernel, takesAllRows: Bool) {
    self.name = name
    self.comment = comment
    self.kernel = kernel
    self.takesAllRows = takesAllRows
  }
}
