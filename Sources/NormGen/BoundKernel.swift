import NormGenIR
import NormGenJIT
import NormGenLoops

/// The memory of one parameter.
public struct KernelArgument {
  let bytes: UnsafeMutableRawBufferPointer
  let rowStride: Int?
  /// Whether the kernel may write the memory.
  let isWritable: Bool
  /// Weights in a kernel's own order.
  let packed: PackedWeights?

  /// Memory that the kernel reads.
  ///
  /// - Parameters:
  ///   - bytes: The elements; the first one is row 0's first.
  ///   - rowStride: Elements from row to row; nil for rows without gaps and where there are no
  ///     rows. With one row it does not matter.
  public init(_ bytes: UnsafeRawBufferPointer, rowStride: Int? = nil) {
    self.bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
    self.rowStride = rowStride
    self.isWritable = false
    self.packed = nil
  }

  /// Weights that were packed before; see ``CompiledKernel/packed(_:_:)``.
  public init(_ packed: PackedWeights) {
    self.bytes = packed.memory.bytes
    self.rowStride = nil
    self.isWritable = false
    self.packed = packed
  }

  /// Memory that the kernel reads or writes.
  public init(_ bytes: UnsafeMutableRawBufferPointer, rowStride: Int? = nil) {
    self.bytes = bytes
    self.rowStride = rowStride
    self.isWritable = true
    self.packed = nil
  }
}

/// A kernel with its memory, checked once, for calls in a hot loop.
///
/// A call costs the C function and a few instructions, and with several threads about a microsecond
/// for each phase. The memory must outlive the bound kernel; its contents may change between calls,
/// except those of weights: they are packed when the kernel is bound. One thread at a time may call
/// a bound kernel.
public final class BoundKernel {
  /// The threads that share a call: as many as were asked for, or fewer where the work cannot be
  /// cut into so many parts.
  public var threads: Int { call.parts }

  private let kernel: CompiledKernel
  private let packed: [PackedWeights]
  private let call: PartedCall
  /// The call as work for several threads.
  private let work: PartedWork?

  init(
    kernel: CompiledKernel, rows: Int, arguments: [KernelArgument], packed: [PackedWeights],
    strides: [Int], threads: Int
  ) throws(CallError) {
    self.kernel = kernel
    self.packed = packed
    let call = try PartedCall(
      kernel, rows: rows, arguments: arguments, strides: strides, threads: threads)
    self.call = call
    self.work =
      call.parts > 1
      ? PartedWork(parts: call.parts, phases: call.phases) { phase, part in
        call(phase: phase, part: part)
      } : nil
  }

  /// Runs the kernel on the bound memory; it has ended when the call returns.
  public func callAsFunction() {
    if let work {
      WorkerPool.shared.run(work)
    } else {
      for phase in 0..<call.phases { call(phase: phase, part: 0) }
    }
  }
}

extension CompiledKernel {
  /// Checks memory for every parameter and binds it.
  ///
  /// - Parameters:
  ///   - rows: The number of rows; with 0 nothing is read or written.
  ///   - arguments: One for each of ``parameters``, in order. Packed weights stand in place of each input
  ///     that they were computed from.
  ///   - threads: The most threads that share a call, the caller's own among them; see
  ///     ``HostCPU/threads``. The bits do not depend on it.
  /// - Throws: ``CallError`` naming the parameter, what it needs and what was found.
  public func bound(
    rows: Int, _ arguments: [KernelArgument], threads: Int = 1
  ) throws(CallError) -> BoundKernel {
    guard threads >= 1 else { throw .threads(threads) }
    let ownStrides = try CallCheck.strides(of: self, rows: rows, arguments)
    let own = Dictionary(
      uniqueKeysWithValues: zip(parameters.map(\.name), zip(arguments, ownStrides)))
    var ready: [KernelArgument] = []
    var strides: [Int] = []
    var packed: [PackedWeights] = []
    for parameter in lowering.module.interface.parameters {
      let name = parameter.buffer.name
      guard let packing = parameter.packing else {
        guard let (argument, stride) = own[name] else { throw .missing(parameter: name) }
        ready.append(argument)
        strides.append(stride)
        continue
      }
      let sources = packing.sources.compactMap { source in
        own[source.name].map { (source.name, $0.0) }
      }
      let given = sources.compactMap { source, argument in argument.packed.map { (source, $0) } }
        .first { packedParameter(of: $0, taking: $1) == name }?.1
      let weights: PackedWeights
      if let given {
        weights = given
      } else {
        weights = try self.packed(name, Dictionary(uniqueKeysWithValues: sources))
      }
      packed.append(weights)
      ready.append(KernelArgument(weights))
      strides.append(parameter.buffer.shape.elementsPerRow)
    }
    return try BoundKernel(
      kernel: self, rows: rows, arguments: ready, packed: packed, strides: strides,
      threads: threads)
  }

  /// Checks memory for every parameter and runs the kernel on it once.
  ///
  /// - Parameter threads: The most threads that share the call; see
  ///   ``bound(rows:_:threads:)``.
  /// - Throws: ``CallError``; nothing has been written then.
  public func callAsFunction(
    rows: Int, _ arguments: [KernelArgument], threads: Int = 1
  ) throws(CallError) {
    // Without memory of its own a call has nothing to bind.
    guard threads == 1, code.packs.isEmpty, !lowering.module.interface.takesScratch else {
      try bound(rows: rows, arguments, threads: threads)()
      return
    }
    let strides = try CallCheck.strides(of: self, rows: rows, arguments).map { Int64($0) }
    let buffers = arguments.map(\.bytes.baseAddress)
    for phase in 0..<code.phases(Int64(rows), 1) {
      code.entry(Int64(rows), buffers, strides, nil, phase, 0, 1)
    }
  }
}
