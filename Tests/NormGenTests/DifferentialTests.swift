import NormGen
import NormGenCheck
import NormGenFuzz
import NormGenTestSupport
import Testing

/// Every norm and preset, on every target: within the oracle's bound and with the same bits.
@Suite struct DifferentialTests {
  /// Only AVX512_BF16 no emulator here knows.
  @Test func everyTargetHasAMachine() {
    let machines = TargetMachine.targets.filter(Target.general.contains)
    #expect(Targets.usable.map(\.name) == machines.map(\.name))
    let without = Target.general.filter { !TargetMachine.targets.contains($0) }
    #expect(without.isEmpty || without == [.avx512bf16])
  }

  @Test(arguments: Specimen.all)
  func specimenAgreesWithTheOracleOnEveryTarget(specimen: Specimen) throws {
    let seed = UInt64(specimen.name.utf8.reduce(17) { ($0 &* 31 &+ Int($1)) & 0xffff })
    let extents = Boundaries.extents.map(\.extent)
    var calls: [Targets.Call] = []
    let chosenTypes =
      Targets.sweeps
      ? Array(Specimen.Types.all.enumerated()) : Specimen.Types.some(Int(seed))
    for (position, types) in chosenTypes {
      // Two extents for each pair of types, others for every specimen; a sweep takes all.
      let start = Int(seed) + 13 * position
      let chosen = Targets.sweeps ? extents : [0, 11].map { extents[(start + $0) % extents.count] }
      for extent in chosen {
        let epsilon: Float = (start + extent) % 2 == 0 ? 0.8765 : 1e-6
        let graph = try specimen.kernel(extent, types, epsilon: epsilon).graph()
        for rows in extent < 1000 ? Boundaries.rows : [0, 1, 3] {
          let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: seed)
          calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
        }
      }
    }
    // A constant row has no direction: bounds of l2 without epsilon, of NaN, say nothing there.
    try Targets.check(calls, bounded: !specimen.name.hasSuffix("none"), seed: seed)
  }

  /// The extents that the rotation above leaves out, for the plainest kernels.
  @Test(
    arguments: ["rms_fused", "layer_fused", "partial_count", "quantized_by_division"],
    Boundaries.extents.chunked(into: 8))
  func everyBoundaryExtentAgrees(name: String, extents: [Boundaries.Extent]) throws {
    let specimen = try #require(Specimen.named(name))
    var calls: [Targets.Call] = []
    for extent in extents.map(\.extent) {
      let types = Specimen.Types.all[extent % Specimen.Types.all.count]
      let graph = try specimen.kernel(extent, types, epsilon: 0.8765).graph()
      for rows in [1, 3] {
        let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: UInt64(extent))
        calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
      }
    }
    try Targets.check(calls, bounded: true)
  }

  @Test(arguments: [0, 20, 40, 60] as [UInt64])
  func randomGraphsAgree(start: UInt64) throws {
    let count: UInt64 = Targets.sweeps ? 5000 : 20
    for first in stride(from: start * (count / 20), to: (start + 20) * (count / 20), by: 20) {
      var calls: [Targets.Call] = []
      for seed in first..<(first + 20) {
        let graph = try RandomGraph(seed: seed).kernel.graph()
        for rows in [1, 3] {
          let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: seed)
          calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
        }
      }
      try Targets.check(calls, bounded: false, seed: first)
    }
  }
}

extension Array {
  /// Parts of at most `count` elements.
  func chunked(into count: Int) -> [[Element]] {
    stride(from: 0, to: self.count, by: count).map {
      Array(self[$0..<Swift.min($0 + count, self.count)])
    }
  }
}
