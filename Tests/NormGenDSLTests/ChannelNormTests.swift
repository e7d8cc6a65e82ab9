import NormGen
import Testing

/// Norms of weights and of channels in both forms, and what they refuse.
@Suite struct ChannelNormTests {
  let x = Tensor.input("x", [.rows, 6, 40], .f32)

  private func perChannel(_ name: String) -> Tensor { .input(name, [6, 1], .f32) }

  @Test func textAndSwiftGiveTheSameGraph() throws {
    let w = Tensor.input("w", [.rows, 300], .f32)
    let batch = x.batchNorm(
      mean: perChannel("mean"), variance: perChannel("variance"), gain: perChannel("gain"),
      shift: perChannel("shift"), epsilon: 0.5)
    let cases: [(Tensor, String)] = [
      (
        w.weightNorm(gain: .input("gain", [.rows, 1], .f32)),
        "(w: f32[rows, 300], gain: f32[rows, 1]) { y = weight_norm(w, gain: gain) }"
      ),
      (
        batch,
        """
        (x: f32[rows, 6, 40], mean: f32[6, 1], variance: f32[6, 1], gain: f32[6, 1],
          shift: f32[6, 1]) {
          y = batch_norm(
            x, mean: mean, variance: variance, gain: gain, shift: shift, epsilon: 0.5)
        }
        """
      ),
      (x.batchMean(), "(x: f32[rows, 6, 40]) { y = batch_mean(x) }"),
      (
        x.batchVariance(mean: perChannel("mean")),
        "(x: f32[rows, 6, 40], mean: f32[6, 1]) { y = batch_variance(x, mean: mean) }"
      ),
      (
        x.groupNorm(groups: 3, epsilon: 0.5),
        "(x: f32[rows, 6, 40]) { y = group_norm(x, groups: 3, epsilon: 0.5) }"
      ),
      (
        x.instanceNorm(gain: perChannel("gain")),
        "(x: f32[rows, 6, 40], gain: f32[6, 1]) { y = instance_norm(x, gain: gain) }"
      ),
    ]
    for (tensor, text) in cases {
      let graph = try Kernel("k", tensor).graph()
      let parsed = try GraphParser.graphs(in: "kernel k\(text) -> y")
      // A name that the text gives is the only difference.
      #expect(parsed.map(\.outputs) == [graph.outputs])
      #expect(parsed.map { $0.nodes.map(\.op) } == [graph.nodes.map(\.op)])
      #expect(try GraphParser.graphs(in: "\(graph)") == [graph])
    }
  }

  @Test func groupsMustDivideTheChannels() {
    for groups in [0, -1, 4, 7] {
      #expect(throws: GraphError.self) {
        try Kernel("k", x.groupNorm(groups: groups)).graph()
      }
    }
    do {
      _ = try Kernel("k", x.groupNorm(groups: 4)).graph()
    } catch {
      #expect(error.reason == .shape(.channelsNotInGroups(4, x.shape)))
      #expect(error.description.contains("ChannelNormTests.swift:"))
      #expect(error.description.contains("4 groups do not divide the channels"))
    }
  }

  @Test func gainsOfChannelsInLargerGroupsAreRefused() throws {
    let y = x.groupNorm(groups: 3, gain: perChannel("gain"))
    let error = #expect(throws: CompilerError.self) {
      try Compiler(target: .portable).lower(Kernel("k", y))
    }
    #expect(error?.description.contains("[6, 1]") == true)
  }

  @Test func batchNormNeedsItsStatistics() throws {
    let error = #expect(throws: TextError.self) {
      try GraphParser.graphs(
        in: "kernel k(x: f32[rows, 6], m: f32[6]) { y = batch_norm(x, mean: m) } -> y")
    }
    #expect(error?.description.contains("'batch_norm' needs 'variance:', a tensor") == true)
  }
}
