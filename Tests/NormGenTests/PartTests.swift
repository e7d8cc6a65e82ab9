import NormGenTestSupport
import Testing

@testable import NormGen

/// The part function of the emitted C, driven by hand as another host would.
@Suite struct PartTests {
  /// How a host runs the parts of a phase.
  enum Order: CaseIterable {
    case forward, backward, oddFirst

    func of(_ parts: Int64) -> [Int64] {
      switch self {
      case .forward: Array(0..<parts)
      case .backward: (0..<parts).reversed()
      case .oddFirst: (0..<parts).filter { $0 % 2 == 1 } + (0..<parts).filter { $0 % 2 == 0 }
      }
    }
  }

  /// Calls with scratch memory of exactly the bytes asked for, which hold `filler`, between pages
  /// that no access survives.
  private func outputs(
    of kernel: CompiledKernel, rows: Int, parts: Int64, order: Order, filler: UInt8,
    edge: GuardedMemory.Edge
  ) throws -> [String: HostTensor] {
    let code = kernel.code
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: rows, seed: 11)
    var packed: [PackedWeights] = []
    let blocks = try kernel.parameters.map { parameter in
      let row = parameter.shape.elementsPerRow * parameter.storage.byteCount
      return try GuardedMemory(
        inputs[parameter.name]?.withUnsafeBytes { Array($0) }
          ?? [UInt8](
            repeating: 0xee, count: (parameter.shape.hasRows ? rows : 1) * row), at: edge)
    }
    let tensors = Dictionary(
      uniqueKeysWithValues: zip(kernel.parameters.map(\.name), blocks.map(\.bytes)))
    let parameters = kernel.lowering.module.interface.parameters
    let buffers = try parameters.map { parameter in
      let name = parameter.buffer.name
      guard let packing = parameter.packing else { return try #require(tensors[name]).baseAddress }
      let sources = try packing.sources.map {
        ($0.name, KernelArgument(try #require(tensors[$0.name])))
      }
      let weights = try kernel.packed(name, Dictionary(uniqueKeysWithValues: sources))
      packed.append(weights)
      return weights.memory.bytes.baseAddress
    }
    let strides = parameters.map { Int64($0.buffer.shape.elementsPerRow) }
    let scratch = try GuardedMemory(
      [UInt8](repeating: filler, count: Int(code.scratchBytes(Int64(rows), parts))), at: edge)
    for phase in 0..<code.phases(Int64(rows), parts) {
      for number in order.of(parts) {
        code.entry(
          Int64(rows), buffers, strides, scratch.bytes.baseAddress, phase, number, parts)
      }
    }
    var outputs: [String: HostTensor] = [:]
    for (parameter, block) in zip(kernel.parameters, blocks) where parameter.isOutput {
      outputs[parameter.name] = try HostTensor(
        bytes: UnsafeRawBufferPointer(block.bytes), shape: parameter.shape.extents(rows: rows),
        parameter.storage)
    }
    withExtendedLifetime((kernel, packed)) {}
    return outputs
  }

  @Test(
    arguments: ThreadTests.Subject.allCases, Targets.native)
  func orderOfPartsAndContentOfScratchMemoryGiveTheSameBits(
    subject: ThreadTests.Subject, target: Target
  ) throws {
    let kernel = try subject.kernel(target)
    for rows in subject.rows {
      let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: rows, seed: 11)
      let expected = try kernel(inputs)
      for parts in [1, 2, 3, 7] as [Int64] {
        for order in Order.allCases {
          for edge in GuardedMemory.Edge.allCases {
            // 0xff: every element is a NaN; 0x7f: huge.
            for filler in [0xff, 0x7f] as [UInt8] {
              let outputs = try outputs(
                of: kernel, rows: rows, parts: parts, order: order, filler: filler, edge: edge)
              let difference = firstDifference(expected, outputs)
              #expect(difference == nil, "\(rows) rows, \(parts) parts, \(order), \(filler)")
            }
          }
        }
      }
    }
  }
}
