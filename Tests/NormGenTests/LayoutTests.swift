import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Neither schedule, stride, address, batch nor the place in a batch changes a bit.
@Suite struct LayoutTests {
  static let specimens = [
    "rms_llama", "layer_fused", "partial_count", "residual_rounded", "heads",
    "layer_with_statistics", "bias_gelu_norm", "quantized_by_division", "quantized_heads",
  ]

  private func lowerings(_ graph: Graph, _ target: Target) throws -> [Lowering] {
    try ScheduleVariations.lowerings(of: graph, compiler: Compiler(target: target))
  }

  @Test(arguments: specimens, Targets.usable)
  func schedulesStridesAndAddressesGiveTheSameBits(name: String, target: Target) throws {
    let specimen = try #require(Specimen.named(name))
    for (position, extent) in [1, 16, 33, 64, 128, 257].enumerated() {
      let types = Specimen.Types.all[position % Specimen.Types.all.count]
      let graph = try specimen.kernel(extent, types, epsilon: 1e-5).graph()
      let inputs = try RandomInputs.tensors(for: graph, rows: 11, seed: 1)
      let lowerings = try lowerings(graph, target)
      let expected = try LaidOutCall(lowering: lowerings[0], rows: 11, inputs: inputs).outputs()
      let isEmulated = try TargetMachine.of(target) != .native
      // A machine costs time; there the first and the last schedule must do.
      for lowering in isEmulated ? Array(lowerings.suffix(1)) : lowerings {
        for (gap, offset) in isEmulated
          ? [(3, 1)] : [(0, 0), (0, 1), (1, 0), (13, 3), (16, 0), (64, 16)]
        {
          let call = LaidOutCall(
            lowering: lowering, rows: 11, inputs: inputs, gap: gap, offset: offset)
          let difference = firstDifference(expected, try call.outputs())
          #expect(
            difference == nil,
            "\(name) \(extent) \(lowering.schedules), gap \(gap), offset \(offset)")
        }
      }
    }
  }

  @Test(arguments: specimens, Targets.native)
  func batchAndPlaceInTheBatchGiveTheSameBits(name: String, target: Target) throws {
    let specimen = try #require(Specimen.named(name))
    let graph = try specimen.kernel(129, Specimen.Types.all[1], epsilon: 1e-5).graph()
    let kernel = try Compiler(target: target).compile(graph)
    let all = try RandomInputs.tensors(for: graph, rows: 19, seed: 9)
    let whole = try kernel(all)
    for (start, count) in [(0, 1), (7, 1), (18, 1), (3, 2), (1, 17), (0, 19), (5, 0)] {
      var inputs = all
      for id in graph.inputs where graph[id].shape.hasRows {
        let input = try #require(graph[id].inputName)
        inputs[input] = try #require(all[input]).gathering(rows: Array(start..<start + count))
      }
      let outputs = try kernel(inputs)
      for output in graph.outputs {
        let expected = try #require(whole[output.name]).gathering(
          rows: Array(start..<start + count))
        #expect(outputs[output.name]?.firstDifference(from: expected) == nil)
      }
    }
  }

  /// Kernels of every kind, of rows that no vector divides.
  static func kinds() throws -> [Graph] {
    let types = Specimen.Types.all
    let specimens = try [
      ("rms_fused", 0), ("layer_torch", 1), ("partial_count", 2), ("residual_rounded", 1),
      ("quantized_by_division", 0), ("stored_as_integers", 5), ("heads", 3),
    ].map { name, type in
      try #require(Specimen.named(name)).kernel(67, types[type], epsilon: 1e-5).graph()
    }
    let products = try [("gelu_residual_layer", 0), ("normed_mlp", 1)].map { name, type in
      try #require(MatmulSpecimen.named(name)).graph(
        MatmulSpecimen.Shape(terms: 37, columns: 50, types: types[type]))
    }
    let sums = try [("rms_gradient", 1), ("outer", 5), ("linear_gradient", 0)].map { name, type in
      try #require(RowSumTests.subjects.first { $0.name == name }).graph(37, types[type])
    }
    return specimens + products + sums
  }

  /// Every place of an element in a vector, with filler between rows that must stay.
  @Test(arguments: Targets.native)
  func everyAddressGivesTheSameBits(target: Target) throws {
    for graph in try Self.kinds() {
      let inputs = try RandomInputs.tensors(for: graph, rows: 9, seed: 8)
      let lowering = try Compiler(target: target).lower(graph)
      let expected = try LaidOutCall(lowering: lowering, rows: 9, inputs: inputs).outputs()
      for offset in 1...target.lanes {
        let call = LaidOutCall(
          lowering: lowering, rows: 9, inputs: inputs, gap: offset % 5, offset: offset)
        let difference = firstDifference(expected, try call.outputs())
        #expect(difference == nil, "\(graph.name) \(target), offset \(offset)")
      }
    }
  }

  /// A group of 64 elements is stored by whole registers, which heads of 80 do not begin at.
  @Test(arguments: Targets.native, [Specimen.Types(input: .bf16, gain: .bf16)])
  func headsThatBeginInsideARegisterAreRight(target: Target, types: Specimen.Types) throws {
    for name in ["heads", "quantized_heads"] {
      let graph = try #require(Specimen.named(name)).kernel(80, types, epsilon: 1e-5).graph()
      let inputs = try RandomInputs.tensors(for: graph, rows: 11, seed: 1)
      let lowerings = try lowerings(graph, target)
      let expected = try LaidOutCall(lowering: lowerings[0], rows: 11, inputs: inputs).outputs()
      for lowering in lowerings {
        let call = LaidOutCall(lowering: lowering, rows: 11, inputs: inputs, gap: 16, offset: 0)
        #expect(firstDifference(expected, try call.outputs()) == nil)
      }
    }
  }

  @Test func storesThatBypassTheCachesAreEmittedAndRight() throws {
    let specimen = try #require(Specimen.named("rms_fused"))
    let graph = try specimen.kernel(256, Specimen.Types.all[0], epsilon: 1e-5).graph()
    for target in Targets.native where target.hasStreamingStores {
      var compiler = Compiler(target: target)
      compiler.schedule.region = Schedule(strategy: "row_streaming", streamingBytes: 0)
      let streaming = try compiler.lower(graph)
      #expect(streaming.source.source.contains("finish_streams()"))
      compiler.schedule.region = Schedule(strategy: "row_streaming", streamingBytes: nil)
      let plain = try compiler.lower(graph)
      #expect(!plain.source.source.contains("finish_streams()"))
    }
  }
}
