@testable import NormGen
import NormGenCheck
import Testing

extension LaidOutCall {
  /// Runs the call part by part, unmapped pages touching its memory, packed weights and scratch included;
  /// what no step has written yet is NaN.
  func outputs(at edge: GuardedMemory.Edge) throws -> [String: HostTensor] {
    let kernel = try Compiler(target: lowering.target).compile(lowering)
    return try outputs(from: try guarded(kernel, try memory(), at: edge))
  }

  private func guarded(
    _ kernel: CompiledKernel, _ before: [[UInt8]], at edge: GuardedMemory.Edge
  ) throws -> [[UInt8]] {
    let blocks = try before.map { try GuardedMemory($0, at: edge) }
    let tensors = Dictionary(
      uniqueKeysWithValues: zip(lowering.parameters.map(\.name), blocks.map(\.bytes.baseAddress)))
    var addresses: [UnsafeMutableRawPointer?] = []
    func unset(_ bytes: Int) throws -> GuardedMemory {
      try GuardedMemory([UInt8](repeating: 0xff, count: bytes), at: edge)
    }
    var packed: [GuardedMemory] = []
    let parameters = lowering.module.interface.parameters
    for parameter in parameters {
      let name = parameter.buffer.name
      guard let pack = kernel.code.packs[name], let packing = parameter.packing else {
        addresses.append(try #require(tensors[name]))
        continue
      }
      let memory = try unset(packing.elements * parameter.buffer.storage.byteCount)
      pack(
        try packing.sources.map { UnsafeRawPointer(try #require(tensors[$0.name])) },
        memory.bytes.baseAddress)
      addresses.append(memory.bytes.baseAddress)
      packed.append(memory)
    }
    let (rows, parts) = (Int64(rows), Int64(parts))
    let scratch = try unset(Int(kernel.code.scratchBytes(rows, parts)))
    let strides = parameters.map { Int64(stride($0.buffer)) }
    for phase in 0..<kernel.code.phases(rows, parts) {
      for part in 0..<parts {
        kernel.code.entry(
          rows, addresses, strides, scratch.bytes.baseAddress, phase, part, parts)
      }
    }
    return withExtendedLifetime(packed) { blocks.map { Array($0.bytes) } }
  }
}
