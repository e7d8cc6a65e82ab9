/// A kernel to execute on an emulated processor.
///
/// The source defines `void NAME_entry(int64_t rows, void *const *buffers, const int64_t *strides)`
/// with external linkage: `buffers` points to the tensors in parameter order, `strides` holds the
/// distance between rows of each, in elements. Kernels may share one source: equal sources are
/// compiled and linked once. A kernel with an entry of another kind comes with an adapter that
/// defines this one.
package struct EmulatedKernel: Sendable {
  /// The C identifier before `_entry`.
  package var name: String
  /// What defines the entry, or what the adapter calls.
  package var source: EmulatedSource
  /// C text that defines the entry by what the source defines; nil if the source defines it.
  package var adapter: String?

  /// A kernel of the given name, defined by the source and its adapter.
  package init(name: String, source: EmulatedSource, adapter: String? = nil) {
    self.name = name
    self.source = source
    self.adapter = adapter
  }
}

/// Code for the emulated processor.
package enum EmulatedSource: Hashable, Sendable {
  /// C text and the flags that follow the emulator's own (`Emulator.compilerFlags`).
  case c(String, flags: [String] = [])
  /// Assembly text as LLVM writes it; the defects of the emulator are evaded in it.
  case assembly(String)
  /// The bytes of a relocatable ELF object for the emulated processor.
  case object([UInt8])
}

/// One call of a kernel.
package struct EmulatedCall: Sendable {
  /// The position of the kernel in the list given to `Emulator.run`.
  package var kernel: Int
  /// The number of rows.
  package var rows: Int
  /// The tensors, in parameter order.
  package var buffers: [EmulatedBuffer]

  /// A call of the kernel at an index.
  package init(kernel: Int, rows: Int, buffers: [EmulatedBuffer]) {
    self.kernel = kernel
    self.rows = rows
    self.buffers = buffers
  }
}

/// The memory of one tensor before a call.
package struct EmulatedBuffer: Sendable {
  /// The initial contents; the buffer is exactly this long.
  package var bytes: [UInt8]
  /// The distance between rows, in elements.
  package var rowStride: Int
  /// The address of the first byte, modulo 4096.
  package var addressOffset: Int

  /// A buffer with the given contents, by default at the start of a page.
  package init(bytes: [UInt8], rowStride: Int, addressOffset: Int = 0) {
    self.bytes = bytes
    self.rowStride = rowStride
    self.addressOffset = addressOffset
  }
}

/// What a call left behind.
package struct EmulatedResult: Sendable, Equatable {
  /// The contents of every buffer after the call, inputs included.
  package var buffers: [[UInt8]]
  /// The writes found outside the buffers; empty for a correct kernel.
  package var outOfBounds: [OutOfBoundsWrite]
}

/// Memory next to a buffer that a kernel overwrote.
///
/// 256 bytes before and after every buffer are watched.
package struct OutOfBoundsWrite: Sendable, Equatable, CustomStringConvertible {
  /// The position of the buffer in the call.
  package var buffer: Int
  /// How far the damage reaches before the first byte; 0 if there is none.
  package var bytesBefore: Int
  /// How far the damage reaches after the last byte; 0 if there is none.
  package var bytesAfter: Int

  package var description: String {
    let sides = [(bytesBefore, "before"), (bytesAfter, "after")].filter { $0.0 > 0 }
    let text = sides.map { "up to \($0.0) bytes \($0.1)" }.joined(separator: " and ")
    return "buffer \(buffer): written \(text) it"
  }
}
