@testable import NormGen
import NormGenCheck
import Testing

extension LaidOutCall {
  /// Runs the call of a kernel with matmuls or sums over rows part by part, unmapped pages touching its
  /// memory, packed weights and scratch included; what no step has written yet is NaN.
  func outputs(at edge: GuardedMemory.Edge) throws -> [String: HostTensor] {
    let kernel = try Compiler(target: lowering.target).compile(lowering)
    return try outputs(from: try guarded(kernel, try memory(), at: edge))
  }

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
      let packing = try #require(lowering.module.interface.parameter(buffer.name)?.packing)
      let memory = try unset(packing.elements * buffer.storage.byteCount)
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
}
