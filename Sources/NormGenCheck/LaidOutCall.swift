package import NormGen
import NormGenEmulation

/// A call on memory with chosen row strides and addresses, native or emulated.
package struct LaidOutCall: Sendable {
  package let lowering: Lowering
  package let rows: Int
  package let inputs: [String: HostTensor]
  /// Elements between the end of a row and the beginning of the next.
  package let gap: Int
  /// Elements between an address of a page's alignment and the buffer.
  package let offset: Int
  /// The parts that an emulated call of a kernel with matmuls is made of.
  package let parts: Int

  /// What gaps, margins and outputs hold before the call.
  package static let filler: UInt8 = 0xa5
  /// Watched bytes behind a buffer of a native call.
  private static let margin = 64

  /// A call of a lowered kernel.
  package init(
    lowering: Lowering, rows: Int, inputs: [String: HostTensor], gap: Int = 0, offset: Int = 0,
    parts: Int = 1
  ) {
    self.lowering = lowering
    self.rows = rows
    self.inputs = inputs
    self.gap = gap
    self.offset = offset
    self.parts = parts
  }

  /// Each parameter's memory before the call: rows with gaps of filler, outputs all filler.
  package func memory() throws(CallError) -> [[UInt8]] {
    try lowering.parameters.map { buffer throws(CallError) in try memory(buffer) }
  }

  private func memory(_ buffer: Buffer) throws(CallError) -> [UInt8] {
    let size = buffer.storage.byteCount
    let row = buffer.shape.elementsPerRow * size
    let count = buffer.shape.hasRows ? rows : 1
    let stride = row + (buffer.shape.hasRows ? gap * size : 0)
    var bytes = [UInt8](
      repeating: Self.filler, count: count == 0 ? 0 : (count - 1) * stride + row)
    guard !buffer.isOutput else { return bytes }
    guard let tensor = inputs[buffer.name] else { throw .missing(parameter: buffer.name) }
    tensor.withUnsafeBytes { elements in
      for index in 0..<count {
        bytes.replaceSubrange(
          index * stride..<index * stride + row, with: elements[index * row..<(index + 1) * row])
      }
    }
    return bytes
  }

  /// Elements from row to row.
  package func stride(_ buffer: Buffer) -> Int { buffer.shape.elementsPerRow + gap }

  /// Runs the call for the lowering's target.
  ///
  /// - Throws: ``LayoutViolation`` if anything but the elements of outputs has changed.
  package func outputs() throws -> [String: HostTensor] {
    let compiler = Compiler(target: lowering.target)
    guard try TargetMachine.of(lowering.target) == .native else {
      return try LaidOutCall.emulated([self], compiler: compiler)[0].get()
    }
    return try outputs(of: try compiler.compile(lowering))
  }

  /// Runs the call of a compiled kernel.
  package func outputs(of kernel: CompiledKernel) throws -> [String: HostTensor] {
    try outputs(from: try native(kernel, try memory()))
  }

  /// Runs calls of one lowering in one emulated machine; each may have written where it must not.
  package static func emulated(
    _ calls: [LaidOutCall], compiler: Compiler
  ) throws -> [Result<[String: HostTensor], LayoutViolation>] {
    guard let first = calls.first else { return [] }
    let emulator = try TargetMachine.emulator(of: first.lowering.target)
    let kernel = try EmulatedLowering(first.lowering, parts: first.parts, compiler: compiler)
    let requests = try calls.map { call in
      let buffers = zip(try call.memory(), call.lowering.parameters).map { bytes, buffer in
        EmulatedBuffer(
          bytes: bytes, rowStride: call.stride(buffer),
          addressOffset: call.offset * buffer.storage.byteCount)
      }
      return kernel.call(kernel: 0, rows: call.rows, buffers: buffers)
    }
    let results = try emulator.run(
      kernels: [kernel.kernel], calls: requests,
      processor: TargetMachine.processor(of: first.lowering.target))
    return zip(calls, results).map { call, result in
      do throws(LayoutViolation) {
        if let write = result.outOfBounds.first { throw .outside(write.description) }
        return .success(try call.outputs(from: result.buffers))
      } catch { return .failure(error) }
    }
  }

  /// The outputs in the memory after a call; everything else must be as before.
  package func outputs(
    from after: [[UInt8]]
  ) throws(LayoutViolation) -> [String: HostTensor] {
    var outputs: [String: HostTensor] = [:]
    for (buffer, after) in zip(lowering.parameters, after) {
      guard buffer.isOutput else {
        guard let before = try? memory(buffer), after == before else {
          throw .inputWritten(buffer.name)
        }
        continue
      }
      outputs[buffer.name] = try output(buffer, after)
    }
    return outputs
  }

  private func output(
    _ buffer: Buffer, _ after: [UInt8]
  ) throws(LayoutViolation) -> HostTensor {
    let row = buffer.shape.elementsPerRow * buffer.storage.byteCount
    let gap = buffer.shape.hasRows ? self.gap * buffer.storage.byteCount : 0
    var elements: [UInt8] = []
    for index in 0..<(buffer.shape.hasRows ? rows : 1) {
      let start = index * (row + gap)
      elements += after[start..<start + row]
      guard after[(start + row)...].prefix(gap).allSatisfy({ $0 == Self.filler }) else {
        throw .gapWritten(buffer.name, row: index)
      }
    }
    let shape = buffer.shape.extents(rows: rows)
    do {
      return try elements.withUnsafeBytes { bytes throws(TensorError) in
        try HostTensor(bytes: bytes, shape: shape, buffer.storage)
      }
    } catch { throw .outside("the output '\(buffer.name)': \(error)") }
  }

  private func native(_ kernel: CompiledKernel, _ before: [[UInt8]]) throws -> [[UInt8]] {
    let blocks = zip(before, lowering.parameters).map { bytes, buffer in
      let start = offset * buffer.storage.byteCount
      let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: start + bytes.count + Self.margin, alignment: 4096)
      block.initializeMemory(as: UInt8.self, repeating: Self.filler)
      let place = UnsafeMutableRawBufferPointer(rebasing: block[start..<start + bytes.count])
      place.copyBytes(from: bytes)
      return (block: block, place: place)
    }
    defer { for block in blocks { block.block.deallocate() } }
    try kernel(
      rows: rows,
      zip(blocks, lowering.parameters).map { block, buffer in
        KernelArgument(block.place, rowStride: buffer.shape.hasRows ? stride(buffer) : nil)
      })
    for (block, buffer) in zip(blocks, lowering.parameters) {
      let start = offset * buffer.storage.byteCount
      let isWhole =
        block.block[..<start].allSatisfy { $0 == Self.filler }
        && block.block[(start + block.place.count)...].allSatisfy { $0 == Self.filler }
      guard isWhole else { throw LayoutViolation.outside("beside '\(buffer.name)'") }
    }
    return blocks.map { Array($0.place) }
  }
}

/// A kernel that has changed other memory than its outputs' elements.
public enum LayoutViolation: Error, Hashable, Sendable, CustomStringConvertible {
  /// An input was written.
  case inputWritten(String)
  /// The gap behind a row of an output was written.
  case gapWritten(String, row: Int)
  /// Memory before or behind a buffer was written.
  case outside(String)

  public var description: String {
    switch self {
    case .inputWritten(let name): "the input '\(name)' was written"
    case .gapWritten(let name, let row): "the gap behind row \(row) of '\(name)' was written"
    case .outside(let what): "memory outside the buffers was written: \(what)"
    }
  }
}
