import NormGen
import NormGenTestSupport
import Testing

/// Kernels touch no byte outside their tensors: a page beside each is unmapped, and a kernel that
/// reads or writes it ends the process.
@Suite struct MemoryTests {
  static let specimens = [
    "rms_fused", "rms_llama", "layer_fused", "partial_count", "residual_rounded", "heads",
    "layer_with_statistics", "elementwise_only", "softmax",
    "quantized_by_factor", "quantized_heads",
  ]

  private func run(
    _ kernel: CompiledKernel, _ inputs: [String: HostTensor], rows: Int, at edge: GuardedMemory.Edge
  ) throws -> [String: HostTensor] {
    let blocks = try kernel.parameters.map { parameter in
      let row = parameter.shape.elementsPerRow * parameter.storage.byteCount
      let content =
        parameter.isOutput
        ? [UInt8](repeating: 0xee, count: rows * row)
        : try #require(inputs[parameter.name]).withUnsafeBytes { Array($0) }
      return try GuardedMemory(content, at: edge)
    }
    try kernel(rows: rows, blocks.map { KernelArgument($0.bytes) })
    var outputs: [String: HostTensor] = [:]
    for (parameter, block) in zip(kernel.parameters, blocks) where parameter.isOutput {
      outputs[parameter.name] = try HostTensor(
        bytes: UnsafeRawBufferPointer(block.bytes), shape: parameter.shape.extents(rows: rows),
        parameter.storage)
    }
    return outputs
  }

  @Test(arguments: specimens, Targets.native)
  func nothingOutsideTheTensorsIsTouched(name: String, target: Target) throws {
    let specimen = try #require(Specimen.named(name))
    let extents = [1, 2, 3, 5, 7, 8, 9, 15, 17, 31, 33, 63, 65, 127, 129, 257, 4097]
    for (position, extent) in extents.enumerated() {
      let types = Specimen.Types.all[position % Specimen.Types.all.count]
      let graph = try specimen.kernel(extent, types, epsilon: 1e-5).graph()
      var compiler = Compiler(target: target)
      let region = try compiler.lower(graph).plan.regions[0]
      let inputs = try RandomInputs.tensors(for: graph, rows: 5, seed: 4)
      let own = [nil] as [Schedule?]
      let forced = compiler.strategies.filter { $0.applies(to: region, target: target) }.map {
        Schedule(strategy: $0.name, streamingBytes: 0, rowTile: 1 + position % 4)
      }
      for schedule in own + forced {
        compiler.schedule.region = schedule
        let kernel = try compiler.compile(graph)
        let expected = try kernel(inputs)
        for edge in GuardedMemory.Edge.allCases {
          let outputs = try run(kernel, inputs, rows: 5, at: edge)
          let difference = firstDifference(expected, outputs)
          #expect(difference == nil, "\(name) \(extent) \(kernel.lowering.schedules) \(edge)")
        }
      }
    }
  }

  @Test func guardedMemoryHoldsItsContentAtTheEdge() throws {
    for edge in GuardedMemory.Edge.allCases {
      let memory = try GuardedMemory([1, 2, 3], at: edge)
      #expect(Array(memory.bytes) == [1, 2, 3])
      let address = UInt(bitPattern: memory.bytes.baseAddress)
      #expect(edge == .beginning ? address % 4096 == 0 : (address + 3) % 4096 == 0)
    }
  }
}
