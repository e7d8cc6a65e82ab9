import NormGen
import NormGenCheck
import Testing

/// Kernels that once went wrong.
@Suite struct RegressionTests {
  /// Where a value may be infinite, what follows may be NaN or not: the bound says nothing then, and
  /// must not take the oracle's NaN for certain.
  @Test func anUncertainNaNIsNotTakenForCertain() throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel uncertain(x: f32[rows, 64], y0: f32[rows, 64]) {
          t = x + 1e8
          a = t - 1e8
          d = a - x
          q = 1.0 / d
          n = q - q
        } -> y: f32 = n + 1.0, z: f32 = max(n, 3.0), w: f32 = select(n > 0.0, 1.0, y0)
        """)
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let checks = try KernelCheck.checks(
      of: compiler.lower(graphs[0]), rows: [3], seed: 5, compiler: compiler)
    for check in checks {
      for output in check.outputs {
        #expect(output.agreement.passes, "\(output.name): \(output.agreement)")
      }
    }
    #expect(checks[0].outputs.map(\.agreement.count) == [192, 192, 192])
  }

  /// Scratch rows lie on the caller's stack.
  @Test func scratchRowsStaySmallTogether() throws {
    func softmax(_ x: Tensor) -> Tensor {
      let exponential = (x - x.rowMaximum()).exp()
      return exponential / exponential.sum()
    }
    let x = Tensor.input("x", [.rows, 16384], .f32)
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let lowering = try compiler.lower(
      Kernel("chain", (0..<6).reduce(x) { value, _ in softmax(value) }))
    let cost = KernelCost(lowering)
    #expect(cost.scratchBytes > 0 && cost.scratchBytes <= 128 << 10)
    let checks = try KernelCheck.checks(of: lowering, rows: [1], seed: 5, compiler: compiler)
    #expect(checks[0].outputs.allSatisfy { $0.agreement.failures == 0 })
  }

  /// A leading part runs along a row as a statistic does; the heads of the input do not matter.
  @Test func leadingPartsOfReshapedRowsArePlanned() throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel seed_1128(in0: f32[rows, 2, 23]) {
          y0 = leading_part(reshape(in0, [rows, 46]), count: 44, of: 46)
        } -> y0: f32
        kernel spread(in0: f32[rows, 2, 23], s: f32[rows, 1]) {
          y0 = reshape(in0, [rows, 46]) + leading_part(s, count: 44, of: 46)
        } -> y0: f32
        """)
    for graph in graphs {
      let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 5)
      try Targets.check([Targets.Call(graph: graph, rows: 3, inputs: inputs)], bounded: true)
    }
  }

  /// Heads of 24 bytes do not begin where vectors of 32 may bypass the caches, whatever shape the
  /// output is declared with.
  @Test func unalignedPartsOfRowsAreNotStreamed() throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel seed_1075(x1: f16[rows, 96]) {
          %1 = reshape(x1, [rows, 8, 12])
          y0 = reshape(%1 / (row_max(abs(%1)) + 0.5), [rows, 96])
        } -> y0: bf16
        """)
    for target in Targets.native {
      var compiler = Compiler(target: target)
      compiler.schedule.region = Schedule(strategy: RowStreaming().name, streamingBytes: 1)
      let checks = try KernelCheck.checks(
        of: compiler.lower(graphs[0]), rows: [3], seed: 5, compiler: compiler)
      #expect(checks.allSatisfy { $0.outputs.allSatisfy { $0.agreement.passes } })
    }
  }

  /// Two whole groups of 64 elements beside each other, each rounded together: the leading part cuts
  /// the loop between them.
  @Test func groupsBesideACutAreDeclaredOnce() throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel seed_1010000596(in0: f32[rows, 186]) {
          y0 = leading_part(in0, count: 64, of: 186)
        } -> y0: bf16
        kernel seed_1010001360(x1: f32[rows, 219], in0: f32[rows, 219]) {
          y1 = mean(x1, fraction: 0.2930524379229703, rounding: up)
        } -> y0: bf16 = in0, y1: f32
        kernel seed_1040001644(x1: f32[rows, 192]) {
          y0 = leading_part(x1, count: 101, of: 192)
        } -> y0: f32, y1: i8 = x1
        """)
    for graph in graphs {
      let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 5)
      try Targets.check([Targets.Call(graph: graph, rows: 3, inputs: inputs)], bounded: true)
    }
  }

  /// The sign of a zero decides which infinity its reciprocal is: √−0 is −0, and of two equal zeros
  /// max and min take the second.
  @Test func zerosKeepTheirSigns() throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel seed_1030001534(x: f32[rows, 1]) {
          y = 1.0 / sqrt(x)
        } -> y: f32
        kernel seed_1090001670(x: f32[rows, 1]) {
          y = 1.0 / max(x, 0.0)
        } -> y: f32
        kernel second(x: f32[rows, 1]) {
        } -> a: f32 = 1.0 / max(0.0, x), b: f32 = 1.0 / min(x, -0.0), c: f32 = 1.0 / min(-0.0, x)
        """)
    for graph in graphs {
      let inputs = ["x": try HostTensor([-0.0, 0, 4] as [Float], shape: [3, 1])]
      try Targets.check([Targets.Call(graph: graph, rows: 3, inputs: inputs)], bounded: true)
    }
  }
}
