import Foundation
import NormGen
import NormGenMeasure
import Testing

/// A kernel as separate kernels means what the whole one means.
@Suite struct UnfusedKernelTests {
  /// A gated block with a scalar gate, norms of heads, a shared input and an output that is read.
  private static let text = """
    kernel block(
      x: bf16[rows, 40], o: bf16[rows, 24], gain: bf16[40], alpha: bf16[1], head_gain: bf16[8],
      w_o: bf16[40, 24], w_q: bf16[40, 32], w_k: bf16[40, 16], w_down: bf16[32, 40]
    ) {
      projected = bf16(matmul(o, w_o, layout: out_in))
      hidden = bf16(x + tanh(alpha) * projected)
      normed = rms_norm(hidden, gain: gain, epsilon: 1e-6, semantics: llama)
      heads = reshape(bf16(matmul(normed, w_q)), [rows, 4, 8])
      q = rms_norm(heads, gain: head_gain, epsilon: 1e-6, semantics: llama)
      k = matmul(normed, w_k)
      inner = bf16(silu(matmul(normed, w_q)))
      y = hidden + matmul(inner, w_down)
    } -> hidden: bf16, q: bf16, k: bf16, y: f32

    """

  @Test func partsGiveTheBitsOfTheWhole() throws {
    let graph = try #require(try GraphParser.graphs(in: UnfusedKernelTests.text).first)
    let compiler = try Compiler()
    for rows in [1, 3, 17] {
      let run = try SiteRun(graph, rows: rows, seed: 3, compiler: compiler)
      let check = try SiteCheck(run, rows: rows)
      #expect(check.passes, "\(check)")
      #expect(check.elements == rows * (40 + 32 + 16 + 40))
      let timing = try SiteTiming(run, rows: rows, threads: 2, rounds: 3)
      #expect(timing.agrees)
    }
  }

  @Test func everyProductIsAKernelAndValuesPassInTheirOwnType() throws {
    let graph = try #require(try GraphParser.graphs(in: UnfusedKernelTests.text).first)
    let unfused = UnfusedKernel(graph)
    let products = unfused.parts.filter { part in
      part.nodes.contains { node in
        if case .matmul = node.op { return true }
        return false
      }
    }
    #expect(products.count == 4)
    for part in products {
      #expect(part.outputs.count == 1)
      #expect(part.nodes.count == 3)
    }
    for part in unfused.parts { try GraphVerifier.verify(part) }
    // A product of which every use is rounded passes rounded, one of two uses in Float32.
    let storages = unfused.passed.filter { value in
      if case .matmul = graph[value.value].op { return true }
      return false
    }.map(\.storage)
    #expect(storages == [.bf16, .f32, .f32])
    let read = Set(unfused.parts.flatMap { part in part.inputs.compactMap { part[$0].inputName } })
    #expect(read.isSuperset(of: unfused.passed.map(\.name) + ["hidden"]))
  }

  @Test func gradientsAreCutAtProductsAndAtSumsOfProducts() throws {
    let x = Tensor.input("x", [.rows, 24], .bf16)
    let product = x.matmul(.input("w", [24, 40], .bf16)).named("product")
    let sum = Tensor.input("residual", [.rows, 40], .f32) + product
    let shift = Tensor.input("shift", [40], .f32)
    let normed = sum.layerNorm(gain: .input("gain", [40], .f32), shift: shift)
    let graph = try Kernel("layer", outputs: ["y": normed, "sum": sum])
      .gradient(saving: ["product"]).graph()
    let unfused = UnfusedKernel(graph)
    for part in unfused.parts { try GraphVerifier.verify(part) }
    // Each output is written once.
    let written = unfused.parts.flatMap { $0.outputs.map(\.name) }
    for output in graph.outputs {
      #expect(written.filter { $0 == output.name }.count == 1, "\(output.name)")
    }
    #expect(unfused.parts.contains { part in part.nodes.contains { $0.op == .outerSum } })
    let compiler = try Compiler()
    for rows in [1, 5, 300] {
      let check = try SiteCheck(
        SiteRun(graph, rows: rows, seed: 3, compiler: compiler), rows: rows)
      #expect(check.passes, "\(check)")
      #expect(check.elements == rows * (40 + 24) + 24 * 40 + 2 * 40)
    }
    // What is passed on as it is must be written, too.
    let copied = Kernel("sum", outputs: ["y": x + .input("residual", [.rows, 24], .bf16)])
    let upstream = UnfusedKernel(try copied.gradient().graph())
    #expect(Set(upstream.parts.flatMap { $0.outputs.map(\.name) }) == ["d_x", "d_residual"])
  }

  @Test func aKernelWithoutMatmulIsOnePart() throws {
    let x = Tensor.input("x", [.rows, 24], .f32)
    let graph = try Kernel("norm", x.rmsNorm()).graph()
    let unfused = UnfusedKernel(graph)
    #expect(unfused.parts.count == 1 && unfused.passed.isEmpty)
    #expect(unfused.parts.map(\.nodes) == [graph.nodes])
  }
}
