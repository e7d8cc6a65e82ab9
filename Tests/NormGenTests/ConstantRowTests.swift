import NormGen
import NormGenCheck
import Testing

/// `range: .scaled` where the variance is 0, and epsilon is all of the divisor.
@Suite struct ConstantRowTests {
  static let extent = 64

  struct Form: CustomTestStringConvertible, Sendable {
    let name: String
    /// The least divisor that an epsilon permits.
    let divisor: @Sendable (Double) -> Double
    let norm: @Sendable (Tensor, _ shift: Tensor?, Float, StatisticRange) -> Tensor

    var testDescription: String { name }

    init(
      _ name: String, divisor: @escaping @Sendable (Double) -> Double,
      _ norm: @escaping @Sendable (Tensor, Tensor?, Float, StatisticRange) -> Tensor
    ) {
      self.name = name
      self.divisor = divisor
      self.norm = norm
    }
  }

  private static func layer(
    _ centring: LayerNormSemantics.Centring, _ placement: RMSNormSemantics.EpsilonPlacement,
    _ scaling: RMSNormSemantics.Scaling
  ) -> Form {
    let semantics = LayerNormSemantics(
      centring: centring, epsilonPlacement: placement, scaling: scaling)
    return Form(
      "layer \(centring) \(placement) \(scaling)",
      divisor: { placement == .inside ? $0.squareRoot() : $0 },
      { $0.layerNorm(shift: $1, epsilon: $2, range: $3, semantics: semantics) })
  }

  static let forms: [Form] =
    LayerNormSemantics.Centring.allCases.flatMap { centring in
      [RMSNormSemantics.EpsilonPlacement.inside, .outside, .maximum].flatMap { placement in
        RMSNormSemantics.Scaling.allCases.map { layer(centring, placement, $0) }
      }
    } + [
      Form("group", divisor: { $0.squareRoot() }) {
        $0.groupNorm(groups: 1, shift: $1, epsilon: $2, range: $3)
      },
      Form("onednn", divisor: { $0.squareRoot() }) {
        $0.layerNorm(shift: $1, epsilon: $2, range: $3, semantics: .oneDNN)
      },
    ]

  /// 64 equal numbers have an exact mean.
  static let numbers: [Double] = [
    5e29, 1e30, 1e33, 3.3e38, -1e35, 0x1p127, 1e10, 1, 0, 1e-30, 0x1p-149,
  ]

  private func inputs() throws -> [String: HostTensor] {
    let rows = Self.numbers.flatMap { [Double](repeating: $0, count: Self.extent) }
    return [
      "x": try HostTensor(rows, shape: [Self.numbers.count, Self.extent], .f32),
      "shift": try HostTensor(
        [Double](repeating: 0.25, count: Self.extent), shape: [Self.extent], .f32),
    ]
  }

  @Test(arguments: forms)
  func constantRowsGiveTheShift(form: Form) throws {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let shift = Tensor.input("shift", [.fixed(Self.extent)], .f32)
    for epsilon in [1e-5, 1e-12, 1e-30, 1e-38, 0x1p-133, 0x1p-149, 0.5, 1e10] as [Float] {
      let kernel = Kernel("k", form.norm(x, shift, epsilon, .scaled))
      let y = try #require(
        try Compiler(target: HostCPU.current.bestTarget).compile(kernel)(inputs())["y"])
      let mistake = y.doubles.indices.first { y[$0] != 0.25 }
      #expect(
        mistake == nil,
        "ε \(epsilon), \(Self.numbers[(mistake ?? 0) / Self.extent]): \(y[mistake ?? 0])")
    }
  }

  /// A constant row's gradient does not depend on the constant: that of a row of ones, to the bit,
  /// which is (∂y − mean(∂y)) / √ε but for its few roundings.
  @Test(arguments: forms.filter { $0.name.contains("inside") || $0.name == "group" })
  func gradientIsThatOfAnyConstant(form: Form) throws {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let upstream = StatisticRangeTests.row(1, 5) + StatisticRangeTests.row(2, 6)
    let dy = upstream.prefix(Self.extent).map { Double(Float($0)) }
    var inputs = try inputs()
    inputs["shift"] = nil
    inputs["d_y"] = try HostTensor(
      Self.numbers.flatMap { _ in dy }, shape: [Self.numbers.count, Self.extent], .f32)
    let one = try #require(Self.numbers.firstIndex(of: 1))
    for epsilon in [1e-5, 1e-12, 0.5] as [Float] {
      let gradient = try Kernel("k", form.norm(x, nil, epsilon, .scaled)).gradient()
      let found = try #require(try compiler.compile(gradient)(inputs)["d_x"])
      func elements(_ row: Int) -> [Double] {
        (0..<Self.extent).map { found[row * Self.extent + $0] }
      }
      for (row, number) in Self.numbers.enumerated() {
        #expect(elements(row) == elements(one), "ε \(epsilon), \(number)")
      }
      let right = LargeMeanTests.gradient(
        [Double](repeating: 1, count: Self.extent), dy, epsilon: Double(epsilon))
      let unit = DType.f32.ulp(at: LargeMeanTests.greatest(right))
      for (found, value) in zip(elements(one), right) { #expect(abs(found - value) <= 4 * unit) }
    }
  }

  /// 1/σ of the row itself, for a constant row 1/√ε.
  @Test func savedDeviationIsThatOfTheRow() throws {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    for epsilon in [1e-5, 1e-12, 0.5] as [Float] {
      let inverse = x.layerNormalization(epsilon: epsilon, range: .scaled).inverseDeviation
      var inputs = try inputs()
      inputs["shift"] = nil
      let found = try #require(
        try Compiler(target: HostCPU.current.bestTarget).compile(Kernel("k", inverse))(inputs)["y"])
      let right = Double(1 / epsilon.squareRoot())
      #expect(found.doubles.allSatisfy { $0 == right })
    }
  }
}
