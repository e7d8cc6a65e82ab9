import NormGen
import Testing

/// Gradients as the article shows them.
@Suite struct GradientExampleTests {
  @Test func gradientHasTheParametersThatTheArticleNames() throws {
    let graph = try GradientExample.kernels().backward.graph()
    #expect(graph.inputs.compactMap { graph[$0].inputName } == ["x", "gain", "d_y"])
    #expect(graph.outputs.map(\.name) == ["d_x", "d_gain"])
  }
}
