import NormGen
import NormGenTestSupport
import Testing

/// Kernels of any number of steps do all of them, each once, however many parts share them.
@Suite struct StepTests {
  private static let extent = 20

  private func layers(_ count: Int) throws -> Graph {
    var h = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    for layer in 0..<count {
      let w = Tensor.input("w\(layer)", [.fixed(Self.extent), .fixed(Self.extent)], .f32)
      h = (h + h.matmul(w).gelu()).rmsNorm(epsilon: 1e-6)
    }
    return try Kernel("layers_\(count)", outputs: ["y": h]).graph()
  }

  /// A kernel of many layers has the bits of one layer called as many times.
  @Test(arguments: [16, 31, 33])
  func layersInOneKernelAreLayersOneAfterTheOther(count: Int) throws {
    let target = HostCPU.current.bestTarget
    let whole = try Compiler(target: target).compile(try layers(count))
    #expect(whole.lowering.program.steps.count == 2 * count + 1)
    let layer = try Compiler(target: target).compile(try layers(1))
    for rows in [1, 32, 150] {
      let inputs = try RandomInputs.tensors(for: whole.lowering.graph, rows: rows, seed: 4)
      var h = try #require(inputs["x"])
      for number in 0..<count {
        let w = try #require(inputs["w\(number)"])
        h = try #require(try layer(["x": h, "w0": w])["y"])
      }
      for threads in [1, 2, 3] {
        let outputs = try whole(inputs, threads: threads)
        let difference = firstDifference(["y": h], outputs)
        #expect(difference == nil, "\(rows) rows, \(threads) threads: \(difference ?? "")")
      }
    }
  }

  /// The same beside sums over rows, where parts share the steps of every chunk.
  @Test(arguments: [8])
  func gradientsOfManyLayersHaveTheSameBitsForAnyParts(count: Int) throws {
    let gradient = try layers(count).gradient()
    let kernel = try Compiler(target: HostCPU.current.bestTarget).compile(gradient)
    for rows in [32, 300] {
      let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: rows, seed: 5)
      let expected = try kernel(inputs)
      for threads in [2, 3] {
        let difference = firstDifference(expected, try kernel(inputs, threads: threads))
        #expect(difference == nil, "\(rows) rows, \(threads) threads: \(difference ?? "")")
      }
    }
  }

  /// Where a part begins among things as many as Int64 counts.
  @Test func partsOfLargeCountsDoNotOverflow() throws {
    let source = try Compiler(target: .portable).lower(try layers(1)).source.source
    #expect(source.contains("count / parts * part + (part < left ? part : left)"))
    #expect(!source.contains("* part / parts"))
  }
}
