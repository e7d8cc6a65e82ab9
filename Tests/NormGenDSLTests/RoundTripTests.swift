import NormGen
import NormGenFuzz
import Testing

/// Printing a graph and reading the text gives the graph back, down to names and compositions.
@Suite struct RoundTripTests {
  static let entries = Catalog.standard.entries.map(\.kernel.name)

  @Test(arguments: entries)
  func catalogKernelComesBack(name: String) throws {
    let entry = try #require(Catalog.standard[name])
    let graph = try entry.kernel.graph()
    #expect(try GraphParser.graphs(in: "\(graph)") == [graph])
  }

  @Test func wholeCatalogComesBackFromOneText() throws {
    let graphs = try Catalog.standard.entries.map { try $0.kernel.graph() }
    let text = graphs.map(\.description).joined(separator: "\n")
    #expect(graphs.count >= 20)
    #expect(try GraphParser.graphs(in: text) == graphs)
  }

  @Test func randomGraphsComeBack() throws {
    for seed in 0..<600 as Range<UInt64> {
      let graph = try RandomGraph(seed: seed).kernel.graph()
      let text = "\(graph)"
      let parsed = try GraphParser.graphs(in: text, file: "seed \(seed)")
      if parsed != [graph] {
        Issue.record("seed \(seed):\n\(text)\nbecame\n\(parsed[0])")
        return
      }
    }
  }

  @Test func randomGraphDependsOnItsSeedOnly() throws {
    let texts = try (0..<40 as Range<UInt64>).map { "\(try RandomGraph(seed: $0).kernel.graph())" }
    let again = try (0..<40 as Range<UInt64>).map { "\(try RandomGraph(seed: $0).kernel.graph())" }
    #expect(texts == again)
    #expect(Set(texts).count == 40)
  }

  @Test func randomGraphsHoldEveryConstruct() throws {
    var text = ""
    for seed in 0..<300 as Range<UInt64> { text += "\(try RandomGraph(seed: seed).kernel.graph())" }
    let constructs = [
      " + ", " - ", " * ", " / ", "= -", "select(", "reshape(", "fma(", "max(", "min(", "abs(",
      "sqrt(", "exp(", "log(", "tanh(", "erf(", "sigmoid(", "sum(", "mean(", "row_max(",
      "row_min(", "leading: ", "fraction: ", "rms_norm {", "layer_norm {", "l2_norm {",
      "leaky_relu {", "gelu {", "bf16(", "f16(", "[rows, 1]", "y2: ", "inf", "%1",
    ]
    for construct in constructs where construct != "inf" {
      #expect(text.contains(construct), "no random graph has '\(construct)'")
    }
  }

  /// Texts as the printer writes them; each holds what its name says.
  static let canonical: KeyValuePairs<String, String> = [
    "precedence": """
    kernel k(a: f32[rows, 4], b: f32[rows, 4], c: f32[rows, 4]) {
      p = a - (b - c)
      q = a - b - c
      r = a / (b / c) * (c - b)
      s = a / b / c * a + b
      t = -(a + b) * -b - -(-c)
      u = -0.5 * a
      v = -(0.5) * a
      y = -a * (p + q + (r + s)) + (t - (u - v))
    } -> y: f32

    """,
    "functions": """
    kernel k(a: f32[rows, 4], b: bf16[4], c: f16[1]) {
      y = fma(abs(a), sqrt(max(a, b)), min(a, c)) + exp(log(tanh(erf(sigmoid(a)))))
    } -> y: f32

    """,
    "statistics": """
    kernel k(x: f32[rows, 64], g: f32[64]) {
      a = sum(x, leading: 7)
      b = mean(x * g, fraction: 0.0625, rounding: up)
      c = row_max(x, fraction: 0.3, rounding: down)
      d = row_min(x + g)
      e = mean(x * x)
      y = x * a + b + (c + d) * e
    } -> y: f32

    """,
    "roundings": """
    kernel k(x: bf16[rows, 4], residual: bf16[rows, 4]) {
      hidden = bf16(x + residual)
      y = f16(f32(hidden * 2.0)) + hidden
    } -> hidden: bf16, y: bf16, z: f32 = hidden

    """,
    "select": """
    kernel k(x: f32[rows, 4], t: f32[4]) {
      y = select(x + 1.0 > t * t, x - t, -x)
    } -> y: f32

    """,
    "reshape": """
    kernel k(q: bf16[rows, 4096], g: bf16[128]) {
      heads = reshape(q, [rows, 32, 128])
      s = sum(heads * heads)
      y = reshape(heads * s * g, [rows, 4096])
    } -> y: bf16, s: f32

    """,
    "matmuls": """
    kernel k(
      x: bf16[rows, 64],
      gain: bf16[64],
      up: bf16[64, 96],
      down: f16[80, 96],
      across: bf16[80, 64]
    ) {
      a = matmul(x * gain, up)
      b = matmul(bf16(x + gain), up, accumulate: bf16_dot)
      y = matmul(a * b, down, layout: out_in)
      z = matmul(matmul(x, up) - b, down, layout: out_in) * matmul(x, across, layout: out_in, accumulate: bf16_dot)
    } -> y: f16, z: bf16

    """,
    "values named like words": """
    kernel k(x: bf16[rows, 64], up: bf16[96, 64]) {
      out_in = matmul(x, up, layout: out_in)
      bf16_dot = matmul(x, up, layout: out_in, accumulate: bf16_dot)
      y = max(out_in, bf16_dot) * mean(out_in, fraction: 0.5, rounding: up)
    } -> y: bf16

    """,
    "nested compositions": """
    kernel k(x: f32[rows, 4]) {
      outer {
        a = x + 1.0
        inner {
          b = a * a
        }
        inner {
          c = b * a
        }
        y = c - b
      }
    } -> y: f32

    """,
    "shared values without names": """
    kernel k(x: f32[rows, 4]) {
      %1 = x + 1.0
      %2 = %1 * %1
      y = %2 + (%2 - %1)
    } -> y: f32

    """,
    "constants": """
    kernel k(x: f32[rows, 4]) {
      y = x * inf + x * -inf + x * 1e-45 + x * 3.4028235e+38 + x * -0.0 + x * 0.1
    } -> y: f32

    """,
    "many parameters": """
    kernel k(
      first_input: f32[rows, 1024],
      second_input: bf16[rows, 1024],
      third_input: f16[rows, 1024],
      fourth_input: f32[1024]
    ) {
      y = fma(first_input, second_input, third_input) + fourth_input
    } -> y: f32

    """,
    "an input as output": """
    kernel k(x: f16[rows, 4]) {
    } -> y: f32 = x

    """,
  ]

  @Test(arguments: canonical.map(\.key))
  func canonicalTextComesBack(name: String) throws {
    let text = try #require(Self.canonical.first { $0.key == name }).value
    let graphs = try GraphParser.graphs(in: text)
    #expect(graphs.count == 1)
    #expect("\(graphs[0])" == text)
  }

  @Test func layoutAndCommentsDoNotMatter() throws {
    let plain = try GraphParser.graphs(
      in: "kernel k(x: f32[rows, 4], g: f32[4]) {\n  y = x * g + 1.0\n} -> y: f32\n")
    let odd =
      "// head\r\n\r\nkernel\tk( x : f32 [ rows ,4 ]\r\n, g:f32[4],)\r\n{ // open\r\n"
      + "\ty = (x\r\n* g) + 1 // end\r\n\r\n} -> y // out"
    #expect(try GraphParser.graphs(in: odd) == plain)
  }

  @Test func sugarMeansTheFunctionsOfTheDSL() throws {
    let text = """
      kernel k(x: bf16[rows, 300], g: bf16[300], b: f32[300]) {
        a = rms_norm(x, gain: g, shift: b, epsilon: 0.5, semantics: llama, leading: 18)
        c = layer_norm(a, gain: g, epsilon: 0.25, semantics: onnx)
        d = l2_norm(leaky_relu(c, slope: 0.2), placement: inside, epsilon: 1e-3)
        y = gelu(silu(gelu_tanh(relu(d))))
      } -> y: bf16, r: f32 = rms_norm_inverse(x, fraction: 0.0625, rounding: down)
      """
    let x = Tensor.input("x", [.rows, 300], .bf16)
    let g = Tensor.input("g", [300], .bf16)
    let b = Tensor.input("b", [300], .f32)
    let a = x.rmsNorm(
      gain: g, shift: b, epsilon: 0.5, statistics: .leading(count: 18), semantics: .llama
    ).named("a")
    let c = a.layerNorm(gain: g, epsilon: 0.25, semantics: .onnx).named("c")
    let d = c.leakyReLU(slope: 0.2).l2Norm(epsilon: 1e-3, epsilonPlacement: .inside).named("d")
    let y = d.relu().geluTanh().silu().gelu()
    let r = x.rmsNormalization(statistics: .leading(fraction: 0.0625, rounding: .down))
    let kernel = Kernel(
      "k",
      outputs: [
        Kernel.Output("y", y, as: .bf16), Kernel.Output("r", r.inverseDeviation, as: .f32),
      ])
    let parsed = try GraphParser.graphs(in: text)
    let graph = try kernel.graph()
    #expect(parsed == [graph], "\(parsed[0])\n\(graph)")
  }

  /// A saturating rounding is limits and a rounding; without a choice there are none.
  @Test(arguments: DType.allCases.filter(\.holdsFractions))
  func overflowIsAChoiceOfTheRounding(type: DType) throws {
    func graphs(_ statement: String) throws -> [Graph] {
      try GraphParser.graphs(in: "kernel k(x: f32[rows, 4]) {\n  \(statement)\n} -> y\n")
    }
    let greatest = Float(type.greatestFiniteMagnitude)
    let limited = try graphs(
      "saturated {\n    y = \(type)(max(min(x, \(greatest)), -\(greatest)))\n  }")
    #expect(try graphs("y = \(type)(x, overflow: saturated)") == limited)
    #expect(try graphs("y = \(type)(x, overflow: unsaturated)") == graphs("y = \(type)(x)"))
    let x = Tensor.input("x", [.rows, 4], .f32)
    let saturated = Kernel("k", outputs: ["y": x.rounded(to: type, overflow: .saturated)])
    #expect(try [saturated.graph()] == limited)
    #expect(try GraphParser.graphs(in: "\(saturated.graph())") == limited)
    // Integers saturate anyway.
    #expect(
      try Kernel("k", x.rounded(to: .u8, overflow: .saturated)).graph()
        == Kernel("k", x.rounded(to: .u8)).graph())
  }

  @Test func severalKernelsShareNothing() throws {
    let one = "kernel a(x: f32[rows, 4]) {\n  t = x + 1.0\n  y = t * t\n} -> y: f32\n"
    let graphs = try GraphParser.graphs(
      in: one + "\n" + one.replacing("kernel a", with: "kernel b"))
    #expect(graphs.map(\.name) == ["a", "b"])
    #expect(graphs.map { "\($0)".replacing("kernel b", with: "kernel a") } == [one, one])
  }
}
