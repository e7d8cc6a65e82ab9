import NormGen
import NormGenTestSupport
import Testing

/// What the DSL makes of a program: errors at the caller's line, sharing, names, residuals.
@Suite struct KernelTests {
  let x = Tensor.input("x", [.rows, 64], .bf16)
  let gain = Tensor.input("gain", [64], .bf16)

  private func error(of kernel: Kernel) -> GraphError? {
    #expect(throws: GraphError.self) { try kernel.graph() }
  }

  // MARK: Errors

  @Test func methodErrorNamesTheCallersFileAndLine() {
    let other = Tensor.input("other", [63], .f32)
    let line = #line + 1
    let broken = x.maximum(other)
    let found = error(of: Kernel("k", broken.rmsNorm(gain: gain)))
    #expect(found?.location == SourceLocation(fileID: #fileID, line: UInt(line)))
    #expect(found?.kernel == "k")
    #expect(
      found?.description
        == "kernel 'k', \(#fileID):\(line): shapes [rows, 64] and [63] do not broadcast: aligned "
        + "at the last axis, extents must be equal or 1")
  }

  @Test func operatorErrorNamesAnOperandsLine() {
    let line = #line + 1
    let other = Tensor.input("other", [.rows, 63], .f32)
    let found = error(of: Kernel("k", other + x))
    #expect(found?.location?.line == UInt(line))
  }

  @Test func everyMethodWithShapesReportsItsLine() {
    let narrow = Tensor.input("narrow", [.rows, 3], .f32)
    let cases: [(UInt, Tensor)] = [
      (#line, x.minimum(narrow)),
      (#line, x.multiplyAdd(narrow, x)),
      (#line, x.select(ifGreaterThan: narrow, x, else: x)),
      (#line, x.sum(over: .leading(count: 65))),
      (#line, x.mean(over: .leading(count: 0))),
      (#line, x.rowMaximum(over: .leading(fraction: 1.01))),
      (#line, x.rowMinimum(over: .leading(fraction: 0.001, rounding: .down))),
      (#line, x.reshaped([.rows, 63])),
      (#line, x.reshaped([64, .rows])),
      (#line, x.rmsNorm(statistics: .leading(count: 65))),
      (#line, x.layerNorm(statistics: .leading(count: -1))),
      (#line, x.l2Norm(statistics: .leading(fraction: .nan))),
      (#line, Tensor.input("z", [.rows, 0], .f32)),
      (#line, Tensor.input("z", [4, .rows], .f32)),
      (#line, Tensor.input("z", [.rows, .fixed(1 << 21), .fixed(1 << 21)], .f32)),
    ]
    for (line, tensor) in cases {
      let found = error(of: Kernel("k", tensor))
      #expect(found?.location == SourceLocation(fileID: #fileID, line: line))
      if case .shape = found?.reason { continue }
      Issue.record("line \(line): \(String(describing: found))")
    }
  }

  @Test func firstErrorSurvivesLaterSteps() {
    let line = #line + 1
    let broken = x.sum(over: .leading(count: 100))
    let later = (broken * 2).rmsNorm(gain: gain).reshaped([.rows, 7]).rounded(to: .f16)
    #expect(error(of: Kernel("k", later))?.location?.line == UInt(line))
  }

  @Test func kernelErrorsNameTheKernelsLine() {
    let line = #line + 2
    let kernels = [
      Kernel("while", x), Kernel("k", outputs: ["x": x]), Kernel("k", outputs: ["a": x, "a": x]),
    ]
    let reasons: [GraphError.Reason] = [
      .invalidName("while", role: "kernel"), .duplicateName("x"), .duplicateName("a"),
    ]
    for (kernel, reason) in zip(kernels, reasons) {
      let found = error(of: kernel)
      #expect(found?.reason == reason)
      #expect(found?.location == SourceLocation(fileID: #fileID, line: UInt(line)))
    }
  }

  @Test func meaninglessKernelsAreRefused() {
    let twice = Tensor.input("x", [.rows, 64], .f32)
    #expect(error(of: Kernel("k", x + twice))?.reason == .duplicateName("x"))
    #expect(error(of: Kernel("k", outputs: [Kernel.Output]()))?.reason == .noOutput)
    #expect(error(of: Kernel("k", x * .nan))?.reason == .notANumber)
    #expect(
      error(of: Kernel("k", gain * 2))?.reason
        == .outputWithoutRows("y", Shape(hasRows: false, extents: [64])))
    for name in ["", "2x", "x y", "x;", "größe", "__x", "_X", "int", "restrict", "x\"", "a\nb"] {
      #expect(error(of: Kernel(name, x))?.reason == .invalidName(name, role: "kernel"))
      let input = Tensor.input(name, [.rows, 4], .f32)
      #expect(error(of: Kernel("k", input))?.reason == .invalidName(name, role: "input"))
      let output = Kernel.Output(name, x)
      #expect(
        error(of: Kernel("k", outputs: [output]))?.reason == .invalidName(name, role: "output"))
      let value = (x + 1).named(name) * 2
      #expect(error(of: Kernel("k", value))?.reason == .invalidName(name, role: "value"))
      let composed = Tensor.composed(name) { (x + 1) * x } * 2
      #expect(error(of: Kernel("k", composed))?.reason == .invalidName(name, role: "composition"))
    }
  }

  // MARK: Windows

  @Test(arguments: [
    (300, 0.0625, 19, 18), (36, 0.125, 5, 4), (4096, 0.0625, 256, 256), (16, 0.0625, 1, 1),
    (17, 0.0625, 2, 1), (1, 1.0, 1, 1), (3, 1.0, 3, 3), (1000, 0.001, 1, 1),
  ])
  func fractionTakesThePapersOrItsCodesCount(
    extent: Int, fraction: Double, up: Int, down: Int
  ) throws {
    #expect(try StatisticWindow.leading(fraction: fraction).count(in: extent) == up)
    #expect(
      try StatisticWindow.leading(fraction: fraction, rounding: .down).count(in: extent) == down)
  }

  @Test func windowsOutsideTheRowAreRefused() {
    let windows: [StatisticWindow] = [
      .leading(count: 0), .leading(count: -3), .leading(count: 11), .leading(count: .max),
      .leading(fraction: 0), .leading(fraction: -0.5), .leading(fraction: 1.0000001),
      .leading(fraction: .infinity), .leading(fraction: .nan),
      .leading(fraction: 0.0999, rounding: .down), .leading(fraction: 1e-300, rounding: .down),
    ]
    for window in windows {
      let error = #expect(throws: ShapeError.self) { try window.count(in: 10) }
      // NaN is not equal to itself, so the errors are compared as text.
      let expected = ShapeError.windowOutsideRow(window, rowExtent: 10)
      #expect(error?.description == expected.description)
    }
  }

  // MARK: Sharing and names

  @Test func equalValuesAreOneValue() throws {
    let twice = (x * gain + 1) * (x * gain + 1)
    let graph = try Kernel("k", outputs: ["y": twice, "z": x * gain + 1]).graph()
    #expect(
      "\(graph)" == """
        kernel k(x: bf16[rows, 64], gain: bf16[64]) {
          z = x * gain + 1.0
          y = z * z
        } -> y: bf16, z: bf16

        """)
  }

  @Test func differentConstantsWindowsAndTypesStayApart() throws {
    let y = (x + 0.0) * (x + -0.0)
    let sums = x.sum(over: .leading(count: 63)) + x.sum()
    let rounded = x.rounded(to: .f16) + x.rounded(to: .bf16)
    let graph = try Kernel("k", outputs: ["y": y, "z": rounded * sums]).graph()
    #expect(
      "\(graph)" == """
        kernel k(x: bf16[rows, 64]) {
          y = (x + 0.0) * (x + -0.0)
          z = (f16(x) + bf16(x)) * (sum(x, leading: 63) + sum(x))
        } -> y: bf16, z: f32

        """)
  }

  @Test func clashingNamesGetNumbers() throws {
    let first = (x + 1).named("t")
    let second = (first * first).named("t")
    let third = (second + first).named("y")
    let fourth = third.maximum(second).named("x")
    let graph = try Kernel("k", fourth * third).graph()
    #expect(
      "\(graph)" == """
        kernel k(x: bf16[rows, 64]) {
          t = x + 1.0
          t_2 = t * t
          y_2 = t_2 + t
          x_2 = max(y_2, t_2)
          y = x_2 * y_2
        } -> y: bf16

        """)
  }

  @Test func parametersFollowTheOrderOfCreation() throws {
    let b = Tensor.input("b", [.rows, 64], .f32)
    let a = Tensor.input("a", [.rows, 64], .f32)
    let graph = try Kernel("k", outputs: ["z": a - b, "m": b * x]).graph()
    #expect(graph.inputs.map { graph[$0].inputName } == ["x", "b", "a"])
    #expect(graph.outputs.map(\.name) == ["z", "m"])
  }

  // MARK: Storage types and residuals

  @Test func storageIsThePromotionOfTheOperands() {
    let single = Tensor.input("s", [64], .f32)
    let half = Tensor.input("h", [64], .f16)
    #expect((x * 2 + 1).storage == .bf16)
    #expect((x * gain).storage == .bf16)
    #expect((x * single).storage == .f32)
    #expect((x * half).storage == .f32)
    #expect((x * (x * x).mean()).storage == .bf16)
    #expect(x.mean().storage == nil)
    #expect(x.rounded(to: .f16).storage == .f16)
    #expect(x.select(ifGreaterThan: single, x, else: x).storage == .bf16)
    #expect(x.rmsNorm(gain: single, semantics: .llama).storage == .f32)
    #expect(x.rmsNorm(gain: single, semantics: .torch).storage == .bf16)
    #expect(single.rmsNorm(gain: gain, semantics: .t5).storage == .bf16)
  }

  @Test func residualModesDifferInTheirRoundingPoint() throws {
    let residual = Tensor.input("residual", [.rows, 64], .bf16)
    let a = (x + residual).rounded(to: .bf16)
    let b = x + residual
    func text(_ hidden: Tensor) throws -> String {
      let norm = hidden.rmsNorm(gain: gain, epsilon: 0.5)
      return "\(try Kernel("add", outputs: ["hidden": hidden, "normed": norm]).graph())"
    }
    try Goldens().compare(try text(a) + "\n" + text(b), "residuals.ng")
    #expect(try text(a) != text(b))
  }

  @Test func severalOutputsShareTheStatistics() throws {
    let parts = x.layerNormalization(gain: gain)
    let mean = try #require(parts.mean)
    let kernel = Kernel(
      "k", outputs: ["y": parts.output, "mean": mean, "rstd": parts.inverseDeviation])
    let graph = try kernel.graph()
    #expect(graph.outputs.map(\.storage) == [.bf16, .f32, .f32])
    #expect(
      graph.outputs.map { graph[$0.value].shape.description }
        == ["[rows, 64]", "[rows, 1]", "[rows, 1]"])
    let statistics = graph.nodes.count { node in
      if case .statistic = node.op { return true }
      return false
    }
    // The mean, what is left of it, and the mean square.
    #expect(statistics == 3)
  }
}
