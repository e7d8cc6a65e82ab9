import NormGen
import Testing

/// What the articles show does what they say.
@Suite struct ExampleTests {
  /// Compiles, calls and judges a kernel for this machine's best target.
  private func check(_ graph: Graph, _ compiler: Compiler) throws -> [String: HostTensor] {
    let inputs = try RandomInputs.tensors(for: graph, rows: 11, seed: 5)
    let outputs = try compiler.compile(graph)(inputs)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: 11, inputs: inputs)
    for (output, expected) in zip(graph.outputs, oracle) {
      let agreement = Agreement(kernel: try #require(outputs[output.name]), oracle: expected)
      #expect(agreement.passes && agreement.vacuous == 0, "\(agreement)")
    }
    return outputs
  }

  @Test func theExamplesOfNormsAndActivationsRunEndToEnd() throws {
    for graph in try [squaredReLUKernel(), ownSemantics(), scaledStatistics()].map({
      try $0.graph()
    }) {
      _ = try check(graph, Compiler())
    }
    let graph = try #require(try textWithOwnFunctions().first)
    let y = try #require(try check(graph, Compiler())["y"])
    #expect(y.doubles.contains(0) && y.doubles.contains { $0 > 0 })
    let x = Tensor.input("x", [.rows, 100], .f32)
    let normed = try #require(
      try check(Kernel("normed", x.absMaxNorm()).graph(), Compiler())["y"])
    for row in 0..<11 {
      let greatest = (0..<100).map { abs(normed[row * 100 + $0]) }.max() ?? 0
      // m · (1/m): two roundings.
      #expect(abs(greatest - 1) <= 0x1p-23)
    }
  }

  @Test func theExampleWithItsOwnDerivativeHasIt() throws {
    let gradient = try softplusKernel().gradient().graph()
    let upstream = try HostTensor([Double](repeating: 1, count: 64), shape: [1, 64], .f32)
    let inputs = ["x": try HostTensor(zeros: [1, 64], .f32), "d_y": upstream]
    let slope = try #require(try Compiler().compile(gradient)(inputs)["d_x"])
    #expect(slope.doubles == [Double](repeating: 0.5, count: 64))
  }

  @Test func theStrategyOfTheExampleIsChosenAndChangesNoBit() throws {
    let kernel = squaredReLUKernel()
    let lowering = try loweredWithWideTiles(kernel)
    #expect(lowering.schedules[0].strategy == "wide_tiles")
    #expect(lowering.program.rowPrograms[0].tile == 8)
    let inputs = try RandomInputs.tensors(for: lowering.graph, rows: 11, seed: 5)
    let compiler = try Compiler()
    let wide = try #require(try compiler.compile(lowering)(inputs)["y"])
    let standard = try #require(try compiler.compile(kernel)(inputs)["y"])
    #expect(wide.doubles == standard.doubles)
    // Where it does not apply the next strategy is taken.
    let long = Tensor.input("x", [.rows, 2048], .f32).rmsNorm()
    let other = try loweredWithWideTiles(Kernel("long_norm", long))
    #expect(other.schedules[0].strategy == "row_streaming")
  }

  @Test func aTargetWithoutTemplateIsATypedError() throws {
    let error = #expect(throws: CompilerError.self) {
      _ = try Compiler(target: .sse4).lower(squaredReLUKernel())
    }
    #expect("\(try #require(error))".contains("the target 'sse4' has no SIMD template"))
  }

  @Test func residualModesDifferOnlyInTheirRoundings() throws {
    let modes = try residualModes().map { try check($0.graph(), Compiler()) }
    let hidden = try modes.map { try #require($0["hidden"]).doubles }
    #expect(hidden[0] == hidden[1])
    let normed = try modes.map { try #require($0["normed"]).doubles }
    #expect(normed[0] != normed[1])
  }

  @Test func everyWayToCallGivesTheSameBits() async throws {
    let rows = (0..<2 * 768).map { Float($0 % 37) - 18 }
    let gains = (0..<768).map { 1 + Float($0 % 5) / 4 }
    let expected = try #require(try quickStart(rows: rows, gains: gains)).doubles
    let agreement = try judged(3)
    #expect(agreement.passes)

    let x = Tensor.input("x", [.rows, 768], .f32)
    let gain = Tensor.input("gain", [768], .f32)
    let kernel = try Compiler().compile(
      Kernel("rms_norm", x.rmsNorm(gain: gain, epsilon: 1e-6)))
    var spread = [Float](repeating: .nan, count: 2 * 800)
    for row in 0..<2 {
      for i in 0..<768 { spread[row * 800 + i] = rows[row * 768 + i] }
    }
    var y = [Float](repeating: -7, count: 2 * 800)
    try spread.withUnsafeBytes { x in
      try gains.withUnsafeBytes { gain in
        try y.withUnsafeMutableBytes { y in
          try normalize(x, gain: gain, into: y, rows: 2, by: kernel)
        }
      }
    }
    #expect((0..<2 * 768).map { Double(y[$0 / 768 * 800 + $0 % 768]) } == expected)
    #expect(y[768..<800].allSatisfy { $0 == -7 })

    var dense = [Float](repeating: 0, count: 2 * 768)
    try rows.withUnsafeBytes { x in
      try gains.withUnsafeBytes { gain in
        try dense.withUnsafeMutableBytes { y in
          try boundCalls(kernel, x, gain, y, rows: 2, steps: 3)
        }
      }
    }
    #expect(dense.map(Double.init) == expected)
    var shared = [Float](repeating: 0, count: 2 * 768)
    try rows.withUnsafeBytes { x in
      try gains.withUnsafeBytes { gain in
        try shared.withUnsafeMutableBytes { y in
          try sharedCall(kernel, x, gain, y, rows: 2)
        }
      }
    }
    #expect(shared == dense)

    let batch = try HostTensor(rows, shape: [2, 768])
    let gainTensor = try HostTensor(gains, shape: [768])
    let results = try await concurrentCalls(
      kernel, batches: [batch, batch, batch], gain: gainTensor)
    #expect(results.map { $0?.doubles } == [expected, expected, expected])
    #expect(messageOfACall(kernel, batch) == "give a tensor for 'gain'")
    #expect(messageOfACall(kernel, gainTensor).contains("must have shape [rows, 768]"))

    let compiler = try Compiler()
    let lowering = kernel.lowering
    let doubled = try edited(compiler, lowering)(["x": batch, "gain": gainTensor])
    #expect(try #require(doubled["y"]).doubles == expected.map { 2 * $0 })
  }

  #if arch(x86_64)
    @Test(.enabled(if: HostCPU.current.supports(.avx2)))
    func theCommittedKernelOfTheExampleNormalizes() {
      let y = normalizeHeads([Float](repeating: 2, count: 256), gain: (0..<128).map(Float.init))
      // 2 / √(4 + ε) is 1 − ε/8, then sum, root, division and two products are rounded.
      let bound = 1e-6 / 8 + 5 * Float(0x1p-24)
      #expect(y.count == 256 && abs(y[129] - 1) <= bound && abs(y[255] - 127) <= 127 * bound)
    }
  #endif
}
