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
      compiler.schedule = Schedule(strategy: "row_streaming", streamingBytes: 0)
      let streaming = try compiler.lower(graph)
      #expect(streaming.source.source.contains("finish_streams()"))
      compiler.schedule = Schedule(strategy: "row_streaming", streamingBytes: nil)
      let plain = try compiler.lower(graph)
      #expect(!plain.source.source.contains("finish_streams()"))
    }
  }
}
