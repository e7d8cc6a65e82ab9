@testable import NormGen
import NormGenCheck
import NormGenEmulation
import Testing

/// A call on memory with chosen row strides and addresses, native or emulated.
struct LaidOutCall {
  let lowering: Lowering
  let rows: Int
  let inputs: [String: HostTensor]
  /// Elements between the end of a row and the beginning of the next.
  var gap = 0
  /// Elements between an address of a page's alignment and the buffer.
  var offset = 0
  /// The parts that an emulated or guarded call of a kernel with matmuls is made of.
  var parts = 1
  /// Where unmapped pages touch the memory of a kernel with matmuls, packed weights and scratch
  /// included; nil for plain memory and a bound call.
  var edge: GuardedMemory.Edge?
  /// C in place of what was emitted.
  var source: String?

  static let filler: UInt8 = 0xa5

  /// A parameter's memory before the call: rows with gaps of filler, outputs all filler.
  private func memory(_ buffer: Buffer) throws -> [UInt8] {
    let size = buffer.storage.byteCount
    let row = buffer.shape.elementsPerRow * size
    let count = buffer.shape.hasRows ? rows : 1
    let stride = row + (buffer.shape.hasRows ? gap * size : 0)
    var bytes = [UInt8](repeating: Self.filler, count: count == 0 ? 0 : (count - 1) * stride + row)
    guard !buffer.isOutput else { return bytes }
    let tensor = try #require(inputs[buffer.name])
    tensor.withUnsafeBytes { elements in
      for index in 0..<count {
        bytes.replaceSubrange(
          index * stride..<index * stride + row, with: elements[index * row..<(index + 1) * row])
      }
    }
    return bytes
  }

  private func stride(_ buffer: Buffer) -> Int { buffer.shape.elementsPerRow + gap }

  /// Runs the call; fails if anything but the elements of outputs has changed.
  func outputs() throws -> [String: HostTensor] {
    let before = try lowering.program.buffers.map { try memory($0) }
    let after =
      try TargetMachine.of(lowering.target) == .native ? native(before) : emulated(before)
    var outputs: [String: HostTensor] = [:]
    for (index, buffer) in lowering.program.buffers.enumerated() {
      guard buffer.isOutput else {
        #expect(after[index] == before[index], "the input '\(buffer.name)' was written")
        continue
      }
      let row = buffer.shape.elementsPerRow * buffer.storage.byteCount
      let stride = row + gap * buffer.storage.byteCount
      var elements: [UInt8] = []
      let count = buffer.shape.hasRows ? rows : 1
      for start in Swift.stride(from: 0, to: count * stride, by: stride) {
        elements += after[index][start..<start + row]
        let rest = after[index][min(start + row, after[index].count)...]
          .prefix(buffer.shape.hasRows ? stride - row : 0)
        #expect(rest.allSatisfy { $0 == Self.filler }, "a gap of '\(buffer.name)' was written")
      }
      outputs[buffer.name] = try elements.withUnsafeBytes {
        try HostTensor(bytes: $0, shape: buffer.shape.extents(rows: rows), buffer.storage)
      }
    }
    return outputs
  }

  private func native(_ before: [[UInt8]]) throws -> [[UInt8]] {
    let kernel = try Compiler(target: lowering.target).compile(lowering, source: source)
    if let edge { return try guarded(kernel, before, at: edge) }
    let blocks = zip(before, lowering.program.buffers).map { bytes, buffer in
      let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: bytes.count + offset * buffer.storage.byteCount, alignment: 4096)
      let place = UnsafeMutableRawBufferPointer(
        rebasing: block[(offset * buffer.storage.byteCount)...])
      place.copyBytes(from: bytes)
      return (block: block, place: place)
    }
    defer { for block in blocks { block.block.deallocate() } }
    try kernel(
      rows: rows,
      zip(blocks, lowering.program.buffers).map { block, buffer in
        KernelArgument(block.place, rowStride: stride(buffer))
      })
    return blocks.map { Array($0.place) }
  }

  /// A call part by part; what no step has written yet is NaN.
  private func guarded(
    _ kernel: CompiledKernel, _ before: [[UInt8]], at edge: GuardedMemory.Edge
  ) throws -> [[UInt8]] {
    let program = lowering.program
    let blocks = try before.map { try GuardedMemory($0, at: edge) }
    var addresses = blocks.map(\.bytes.baseAddress)
    func unset(_ bytes: Int) throws -> GuardedMemory {
      try GuardedMemory([UInt8](repeating: 0xff, count: bytes), at: edge)
    }
    var packed: [GuardedMemory] = []
    for (index, buffer) in program.buffers.enumerated() {
      guard let pack = kernel.code.packs[buffer.name] else { continue }
      let product = try #require(program.multiplications.first { $0.weights == buffer.name })
      let elements = product.packedElements(panelColumns: lowering.target.panelColumns)
      let memory = try unset(elements * buffer.storage.byteCount)
      pack(addresses[index], memory.bytes.baseAddress)
      addresses[index] = memory.bytes.baseAddress
      packed.append(memory)
    }
    guard case .parts(let entry, let phases, let scratchBytes) = kernel.code.entry else {
      Issue.record("\(kernel.name) has no matmuls")
      return []
    }
    let (rows, parts) = (Int64(rows), Int64(parts))
    let scratch = try unset(Int(scratchBytes(rows, parts)))
    let strides = program.buffers.map { Int64(stride($0)) }
    for phase in 0..<phases(rows, parts) {
      for part in 0..<parts {
        entry(rows, addresses, strides, scratch.bytes.baseAddress, phase, part, parts)
      }
    }
    return withExtendedLifetime(packed) { blocks.map { Array($0.bytes) } }
  }

  private func emulated(_ before: [[UInt8]]) throws -> [[UInt8]] {
    let emulator: Emulator = lowering.target == .neon ? .qemuAArch64 : .bochsX86_64
    let kernel = try EmulatedLowering(
      lowering, parts: parts, compiler: Compiler(target: lowering.target))
    let buffers = zip(before, lowering.program.buffers).map { bytes, buffer in
      EmulatedBuffer(
        bytes: bytes, rowStride: stride(buffer),
        addressOffset: offset * buffer.storage.byteCount)
    }
    let result = try emulator.run(
      kernels: [kernel.kernel], calls: [kernel.call(kernel: 0, rows: rows, buffers: buffers)])
    #expect(result[0].outOfBounds.isEmpty)
    return result[0].buffers
  }
}
