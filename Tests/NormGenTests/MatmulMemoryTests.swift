import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Kernels with matmuls touch no byte outside their tensors, packed weights and scratch memory, and
/// no gap between rows.
@Suite struct MatmulMemoryTests {
  static let specimens = ["product", "gelu_residual_layer", "qkv", "mlp", "weights_and_rows"]

  @Test(arguments: specimens, Targets.native)
  func nothingOutsideTheMemoryIsTouched(name: String, target: Target) throws {
    let specimen = try #require(MatmulSpecimen.named(name))
    for (number, (terms, columns)) in [(1, 1), (33, 31), (515, 33)].enumerated() {
      let shape = MatmulSpecimen.Shape(
        terms: terms, columns: columns, types: Specimen.Types.all[number],
        layout: Matmul.WeightLayout.allCases[number % 2])
      let graph = try specimen.graph(shape)
      let inputs = try RandomInputs.tensors(for: graph, rows: 15, seed: 2)
      var compiler = Compiler(target: target)
      let expected = try compiler.compile(graph)(inputs)
      for schedule in [
        MatmulSchedule(), MatmulSchedule(chunkRows: 8, packsWeights: number == 1),
      ] {
        compiler.schedule.matmul = schedule
        let lowering = try compiler.lower(graph)
        for edge in GuardedMemory.Edge.allCases {
          for (parts, gap) in [(1, 0), (2, 1), (3, 16), (7, 5)] {
            let call = LaidOutCall(
              lowering: lowering, rows: 15, inputs: inputs, gap: gap, parts: parts)
            let difference = firstDifference(expected, try call.outputs(at: edge))
            #expect(
              difference == nil, "\(graph.name) \(schedule) \(edge), \(parts) parts, gap \(gap)")
          }
        }
      }
    }
  }

  @Test(arguments: Targets.usable)
  func stridesAndAddressesGiveTheSameBits(target: Target) throws {
    let graph = try #require(MatmulSpecimen.named("gated_residual")).graph(
      MatmulSpecimen.Shape(terms: 37, columns: 50, types: Specimen.Types.all[1]))
    let inputs = try RandomInputs.tensors(for: graph, rows: 9, seed: 8)
    let lowering = try Compiler(target: target).lower(graph)
    let expected = try LaidOutCall(lowering: lowering, rows: 9, inputs: inputs).outputs()
    for (gap, offset) in [(0, 1), (3, 0), (13, 3), (64, 16)] {
      let call = LaidOutCall(
        lowering: lowering, rows: 9, inputs: inputs, gap: gap, offset: offset)
      let difference = firstDifference(expected, try call.outputs())
      #expect(difference == nil, "\(target), gap \(gap), offset \(offset)")
    }
  }
}
