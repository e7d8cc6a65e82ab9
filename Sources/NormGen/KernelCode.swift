import NormGenC
import NormGenJIT
import NormGenLoops

/// The addresses of a kernel's functions; their C types are fixed by the emitter.
struct KernelCode: Sendable {
  /// `void entry(int64_t rows, void *const *buffers, const int64_t *strides, void *scratch,
  /// int64_t phase, int64_t part, int64_t parts)`.
  typealias Entry =
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

  /// What a part does in a phase.
  let entry: Entry
  /// The phases of a call of so many rows in so many parts.
  let phases: Extent
  /// The bytes of scratch memory of such a call.
  let scratchBytes: Extent
  /// The function that packs a parameter's weights, by the parameter's name.
  let packs: [String: Pack]

  init(_ lowering: Lowering, _ object: any LoadedCode) throws(JITError) {
    let interface = lowering.module.interface
    entry = unsafeBitCast(try object.address(of: interface.entry), to: Entry.self)
    phases = unsafeBitCast(try object.address(of: interface.parts.phases), to: Extent.self)
    scratchBytes = unsafeBitCast(
      try object.address(of: interface.parts.scratchBytes), to: Extent.self)
    var packs: [String: Pack] = [:]
    for parameter in interface.parameters {
      guard let packing = parameter.packing else { continue }
      packs[parameter.buffer.name] = try Pack(packing, object)
    }
    self.packs = packs
  }
}
