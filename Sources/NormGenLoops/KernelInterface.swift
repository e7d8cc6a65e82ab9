/// How an emitted kernel is called: its symbols, its parameters, and the layouts that it wants.
///
/// What calls kernels, declares them or generates glue for them reads this and joins no names.
public struct KernelInterface: Hashable, Sendable {
  /// A tensor parameter.
  public struct Parameter: Hashable, Sendable {
    /// The name, type, shape and direction.
    public let buffer: Buffer
    /// What puts its elements in the order in which the kernel reads them; nil if they lie as they
    /// are declared.
    public let packing: Packing?

    /// Creates a parameter.
    public init(buffer: Buffer, packing: Packing?) {
      self.buffer = buffer
      self.packing = packing
    }
  }

  /// Weights in another order than they are declared in.
  public struct Packing: Hashable, Sendable {
    /// `void symbol(const T *weights, T *packed)`; `packed` behind all that it takes.
    public let symbol: String
    /// The same for a caller with an array of pointers,
    /// `void entry(const void *const *sources, void *packed)`; nil for weights as they are.
    public let entry: String?
    /// The tensors that it takes: the parameter itself, or what the weights are computed from.
    public let sources: [Buffer]
    /// The elements that it writes, of the parameter's type; the last are its own.
    public let elements: Int
    /// `int64_t elementsSymbol(void)`: the same number.
    public let elementsSymbol: String

    /// Creates a layout.
    public init(
      symbol: String, entry: String?, sources: [Buffer], elements: Int, elementsSymbol: String
    ) {
      self.symbol = symbol
      self.entry = entry
      self.sources = sources
      self.elements = elements
      self.elementsSymbol = elementsSymbol
    }
  }

  /// The functions that divide a call.
  public struct Parts: Hashable, Sendable {
    /// `int64_t symbol(int64_t rows, int64_t parts)`: the phases of a call.
    public let phases: String
    /// `int64_t symbol(int64_t rows, int64_t parts)`: the bytes of scratch memory.
    public let scratchBytes: String
    /// What a part does in a phase: the kernel's parameters, then
    /// `void *scratch, int64_t phase, int64_t part, int64_t parts`.
    public let part: String

    /// Creates a division.
    public init(phases: String, scratchBytes: String, part: String) {
      self.phases = phases
      self.scratchBytes = scratchBytes
      self.part = part
    }
  }

  /// The kernel: `void symbol(int64_t rows, ...)`, each tensor followed by its row stride if it has
  /// rows, in the end `void *scratch` if ``takesScratch``.
  public let symbol: String
  /// ``Parts/part`` for a caller with arrays of pointers and strides, the same of every kernel:
  /// `void entry(int64_t rows, void *const *buffers, const int64_t *strides, void *scratch,
  /// int64_t phase, int64_t part, int64_t parts)`.
  public let entry: String
  /// The tensors that the kernel takes, inputs first. Computed weights are one; what they are computed
  /// of is none unless it has other uses.
  public let parameters: [Parameter]
  /// How a call is divided into phases and parts.
  public let parts: Parts
  /// Whether a call needs scratch memory.
  public let takesScratch: Bool

  /// Creates an interface.
  public init(
    symbol: String, entry: String, parameters: [Parameter], parts: Parts, takesScratch: Bool
  ) {
    self.symbol = symbol
    self.entry = entry
    self.parameters = parameters
    self.parts = parts
    self.takesScratch = takesScratch
  }

  /// The parameter called `name`.
  public func parameter(_ name: String) -> Parameter? {
    parameters.first { $0.buffer.name == name }
  }
}
