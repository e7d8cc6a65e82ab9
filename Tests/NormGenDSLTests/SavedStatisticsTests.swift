import NormGen
import NormGenCheck
import Testing

/// Statistics that a forward kernel stores for its gradient.
@Suite struct SavedStatisticsTests {
  /// LayerNorm's gradient takes no pass for statistics that are saved, nor any term that they make 0.
  @Test func savedStatisticsSaveAPass() throws {
    let x = Tensor.input("x", [.rows, 48], .f32)
    let gain = Tensor.input("gain", [48], .f32)
    for sum in [x, x + Tensor.input("residual", [.rows, 48], .f32)] {
      let graph = try Kernel("k", sum.layerNorm(gain: gain, epsilon: 0.5)).graph()
      let saved = ["mean_x", "mean_shifted", "inv_deviation"]
      let gradient = try graph.gradient(saving: saved)
      #expect(try FusionPlanner.plan(of: gradient).regions.map(\.passes.count) == [2])
      let statistics = gradient.nodes.filter { if case .statistic = $0.op { true } else { false } }
      #expect(statistics.count == 2)
      let forward = try graph.storing(saved)
      #expect(forward.outputs.map(\.name) == ["y"] + saved)

      let rows = 3
      var tensors = try RandomInputs.tensors(for: graph.gradient(), rows: rows, seed: 6)
      let whole = try GradientContractTests.values(graph.gradient(), tensors, rows: rows)
      let values = try GradientContractTests.values(forward, tensors, rows: rows)
      for name in saved {
        tensors[name] = try HostTensor(
          try #require(values[name]).map(\.value), shape: [rows, 1], .f32)
      }
      let read = try GradientContractTests.values(gradient, tensors, rows: rows)
      for name in ["d_x", "d_gain"] {
        for (left, right) in zip(whole[name] ?? [], read[name] ?? []) {
          #expect(abs(left.value - right.value) <= left.error + right.error)
        }
      }
    }
  }
}
