import NormGenC
import NormGenJIT
import NormGenLoops

/// The addresses of a kernel's functions; their C types are fixed by the emitter.
struct KernelCode: Sendable {
  /// `void entry(int64_t rows, void *const *buffers, const int64_t *strides)`.
  typealias RowEntry =
    @convention(c) (
      Int64, UnsafePointer<UnsafeMutableRawPointer?>?, UnsafePointer<Int64>?
    ) -> Void
  /// The same with `void *scratch, int64_t phase, int64_t part, int64_t parts`.
  typealias PartEntry =
    @convention(c) (
      Int64, UnsafePointer<UnsafeMutableRawPointer?>?, UnsafePointer<Int64>?,
      UnsafeMutableRawPointer?, Int64, Int64, Int64
    ) -> Void
  /// `int64_t phases(int64_t rows, int64_t parts)`, and the same for scratch bytes.
  typealias Extent = @convention(c) (Int64, Int64) -> Int64
  /// What packs weights.
  struct Pack: Sendable {
    /// `void pack(const T *weights, T *packed)`.
    typealias One = @convention(c) (UnsafeRawPointer?, UnsafeMutableRawPointer?) -> Void
    /// `void entry(const void *const *buffers, void *packed)`.
    typealias Several =
      @convention(c) (UnsafePointer<UnsafeRawPointer?>?, UnsafeMutableRawPointer?) -> Void

    private enum Function: Sendable {
      case one(One)
      case several(Several)
    }

    private let function: Function

    init(
      _ packing: KernelInterface.Packing, _ object: any LoadedCode
    ) throws(JITError) {
      if let entry = packing.entry {
        function = .several(unsafeBitCast(try object.address(of: entry), to: Several.self))
      } else {
        function = .one(unsafeBitCast(try object.address(of: packing.symbol), to: One.self))
      }
    }

    /// Packs what lies at the places of the packing's sources.
    func callAsFunction(_ sources: [UnsafeRawPointer?], _ packed: UnsafeMutableRawPointer?) {
      switch function {
      case .one(let pack): pack(sources[0], packed)
      case .several(let pack): pack(sources, packed)
      }
    }
  }

  /// How the kernel is called.
  enum Entry: Sendable {
    /// Rows by rows, without scratch memory.
    case rows(RowEntry)
    /// In phases that parts share, with scratch memory.
    case parts(PartEntry, phases: Extent, scratchBytes: Extent)
  }

  let entry: Entry
  /// The function that packs a parameter's weights, by the parameter's name.
  let packs: [String: Pack]

  init(_ lowering: Lowering, _ object: any LoadedCode) throws(JITError) {
    let interface = lowering.module.interface
    let entry = try object.address(of: interface.entry)
    if let parts = interface.parts {
      let phases = try object.address(of: parts.phases)
      let scratchBytes = try object.address(of: parts.scratchBytes)
      self.entry = .parts(
        unsafeBitCast(entry, to: PartEntry.self), phases: unsafeBitCast(phases, to: Extent.self),
        scratchBytes: unsafeBitCast(scratchBytes, to: Extent.self))
    } else {
      self.entry = .rows(unsafeBitCast(entry, to: RowEntry.self))
    }
    var packs: [String: Pack] = [:]
    for parameter in interface.parameters {
      guard let packing = parameter.packing else { continue }
      packs[parameter.buffer.name] = try Pack(packing, object)
    }
    self.packs = packs
  }

  /// Bytes of scratch memory that a call needs.
  func scratchBytes(rows: Int64, parts: Int64) -> Int {
    switch entry {
    case .rows: 0
    case .parts(_, _, let scratchBytes): Int(scratchBytes(rows, parts))
    }
  }

  /// Phases of a call.
  func phases(rows: Int64, parts: Int64) -> Int {
    switch entry {
    case .rows: 1
    case .parts(_, let phases, _): Int(phases(rows, parts))
    }
  }
}
