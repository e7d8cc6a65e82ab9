import NormGenDSL
import NormGenIR
import NormGenSchedule
import Testing

/// An error of the planner is about a place, in the names that its author wrote.
@Suite struct PlanErrorTests {
  struct Refused: Sendable, CustomTestStringConvertible {
    let text: String
    let line: UInt
    let words: [String]
    var testDescription: String { words[0] }
  }

  static let refused = [
    Refused(
      text: """
        kernel k(x: f32[rows, 64, 49], scale: f32[64, 1]) {
          // A gain for each channel.
          normed = group_norm(x, groups: 8, gain: scale)
        } -> normed
        """, line: 3,
      words: [
        "'normed'", "'scale' of shape [64, 1]", "[8, 392]", "k.ng:3:12",
        "give 'scale' with an element for each of the row's, shape [64, 49]",
      ]),
    Refused(
      text: """
        kernel k(x: f32[rows, 16], z: f32[rows, 24]) {
          q = rms_norm(z)
          y = x * sum(q)
        } -> y
        """, line: 2, words: ["shape [rows, 24]", "[rows, 16]", "kernels of their own"]),
    Refused(
      text: """
        kernel k(x: f32[rows, 16]) {
          s = sum_rows(x)
          y = x + s
        } -> y
        """, line: 3, words: ["an input of a second kernel"]),
    Refused(
      text: """
        kernel k(x: f32[rows, 4, 4], w: f32[4, 8]) {
          h = x * 2.0
          y = matmul(h, w)
        } -> y
        """, line: 3, words: ["one axis after rows by reshaping"]),
    Refused(
      text: """
        kernel k(x: f32[rows, 16], b: f32[16]) {
          c = columns(b * 2.0, from: 0, count: 1)
          y = x * c
        } -> y
        """, line: 2, words: ["a computed value without rows", "take them of the parameters"]),
    Refused(
      text: """
        kernel k(x: f32[rows, 16], w: f32[8, 4, 4]) {
          a = sum(w * w)
          v = reshape(w * a, [8, 16])
          b = sum(v * v)
          z = matmul(x, v * b, layout: out_in)
        } -> z
        """, line: 4, words: ["'a' over rows seen as [4, 4]", "'b' over rows seen as [16]"]),
  ]

  @Test(arguments: refused) func refusalsNameTheLineAndTheAuthorsNames(_ refused: Refused) throws {
    let graph = try GraphParser.graphs(in: refused.text, file: "k.ng")[0]
    let error = #expect(throws: PlanError.self) { try FusionPlanner.plan(of: graph) }
    #expect(error?.location?.fileID == "k.ng")
    #expect(error?.location?.line == refused.line)
    #expect(error?.kernel == "k")
    for words in refused.words {
      #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }
  }

  @Test func inSwiftTheCallIsNamed() throws {
    let x = Tensor.input("x", [.rows, 64, 49], .f32)
    let gain = Tensor.input("gain", [64, 1], .f32)
    let line: UInt = #line + 1
    let y = x.groupNorm(groups: 8, gain: gain)
    let error = #expect(throws: PlanError.self) {
      try FusionPlanner.plan(of: Kernel("k", y).graph())
    }
    #expect(error?.location == SourceLocation(fileID: #fileID, line: line))
  }

  @Test func aGradientsErrorIsAboutTheForwardStatement() throws {
    let graph = try GraphParser.graphs(
      in: """
        kernel gn(x: f32[rows, 64]) {
          s = quantize_rows_scale(x, group: 32)
        } -> s
        """, file: "gn.ng")[0]
    let error = #expect(throws: PlanError.self) {
      try FusionPlanner.plan(of: graph.gradient())
    }
    #expect(error?.kernel == "gn_gradient")
    #expect(error?.location?.fileID == "gn.ng")
  }

  @Test func placesAreNoPartOfAGraphsMeaning() throws {
    let text = "kernel k(x: f32[rows, 4]) {\n  y = x + 1.0\n} -> y\n"
    let moved = "\n\n" + text
    #expect(try GraphParser.graphs(in: text) == GraphParser.graphs(in: moved))
  }
}
