import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Gradients where a derivative isn't defined or infinite, as compiled.
@Suite struct SingularGradientTests {
  // MARK: Rows

  /// What a norm divides by, ρ + ε and so on, with ρ the root of a mean or a sum of squares.
  struct Specimen: CustomTestStringConvertible, Sendable {
    let name: String
    let norm: @Sendable (Tensor, _ epsilon: Float, StatisticRange) -> Tensor
    let isCentred: Bool
    let isMean: Bool
    let placement: RMSNormSemantics.EpsilonPlacement
    var window = extent
    var testDescription: String { name }

    /// The gradient in Float64, and the size of what it is the sum of.
    func gradient(
      _ x: [Double], _ d: [Double], _ epsilon: Double
    ) -> [(value: Double, size: Double)] {
      let mean = isCentred ? x[..<window].reduce(0, +) / Double(window) : 0
      let c = x.map { $0 - mean }
      let count = isMean ? Double(window) : 1
      let rho = (c[..<window].reduce(0) { $0 + $1 * $1 } / count).squareRoot()
      /// The divisor and its derivative by ρ.
      let (divisor, slope): (Double, Double) =
        switch placement {
        case .inside:
          ((rho * rho + epsilon).squareRoot(), rho / (rho * rho + epsilon).squareRoot())
        case .outside: (rho + epsilon, 1)
        case .maximum: (max(rho, epsilon), rho > epsilon ? 1 : 0)
        case .none: (rho, 1)
        }
      let share = isCentred ? d.reduce(0, +) / Double(window) : 0
      let size = isCentred ? d.reduce(0) { $0 + abs($1) } / Double(window) : 0
      let product = zip(d, c).reduce(0) { $0 + $1.0 * $1.1 }
      let products = zip(d, c).reduce(0) { $0 + abs($1.0 * $1.1) }
      return x.indices.map { i in
        let isInside = i < window
        // ∂ρ/∂x is c/(count · ρ), and 0 at ρ = 0.
        let direction = isInside && rho > 0 ? c[i] / (count * rho) : 0
        let factor = slope * direction / divisor / divisor
        return (
          (d[i] - (isInside ? share : 0)) / divisor - product * factor,
          (abs(d[i]) + (isInside ? size : 0)) / divisor + products * abs(factor)
        )
      }
    }
  }

  static let extent = 37

  static let specimens: [Specimen] = {
    var specimens: [Specimen] = []
    for placement in [RMSNormSemantics.EpsilonPlacement.inside, .outside, .maximum] {
      for scaling in RMSNormSemantics.Scaling.allCases {
        let rms = RMSNormSemantics(epsilonPlacement: placement, scaling: scaling)
        specimens += [
          Specimen(
            name: "rms_\(placement)_\(scaling)",
            norm: { $0.rmsNorm(epsilon: $1, range: $2, semantics: rms) },
            isCentred: false, isMean: true, placement: placement),
          Specimen(
            name: "partial_\(placement)_\(scaling)",
            norm: {
              $0.rmsNorm(epsilon: $1, statistics: .leading(count: 5), range: $2, semantics: rms)
            }, isCentred: false, isMean: true, placement: placement, window: 5),
        ]
        let layer = LayerNormSemantics(epsilonPlacement: placement, scaling: scaling)
        specimens.append(
          Specimen(
            name: "layer_\(placement)_\(scaling)",
            norm: { $0.layerNorm(epsilon: $1, range: $2, semantics: layer) },
            isCentred: true, isMean: true, placement: placement))
      }
      specimens.append(
        Specimen(
          name: "l2_\(placement)",
          norm: { $0.l2Norm(epsilon: $1, epsilonPlacement: placement, range: $2) },
          isCentred: false, isMean: false, placement: placement))
    }
    specimens += [
      Specimen(
        name: "paper_torch",
        norm: { $0.rmsNorm(epsilon: $1, range: $2, semantics: .paperTorch) },
        isCentred: false, isMean: true, placement: .outside),
      Specimen(
        name: "own_outside", norm: { x, epsilon, _ in x / ((x * x).mean().squareRoot() + epsilon) },
        isCentred: false, isMean: true, placement: .outside),
      Specimen(
        name: "groups_of_one",
        norm: { $0.groupNorm(groups: 1, epsilon: $1, range: $2) },
        isCentred: true, isMean: true, placement: .inside),
    ]
    return specimens
  }()

  static func row(_ size: Double, _ seed: Int) -> [Double] {
    StatisticRangeTests.row(size, seed).map { Double(Float($0)) }
  }

  static let upstream: [Double] = [1, 2, -1, 0.5] + row(1, 3).dropFirst(4)

  /// Rows whose statistics are 0, underflow, or hang on one element.
  static let rows: [[Double]] = [
    [Double](repeating: 0, count: extent), [Double](repeating: -0.0, count: extent),
    (0..<extent).map { $0 == 2 ? 3 : 0 }, (0..<extent).map { $0 == 20 ? -0x1p-149 : 0 },
    (0..<extent).map { $0 < 5 ? 0 : 1 }, row(0x1p-140, 1), row(0x1p-147, 2), row(1e-30, 4),
    row(1e-21, 5), row(1e-13, 6), row(1e-6, 7), row(1, 8), row(1e9, 9), row(1e15, 10),
  ]

  static let huge: [[Double]] = [
    row(1e25, 1), row(3e36, 2), (0..<extent).map { $0 == 3 ? 2e38 : 0 },
    (0..<extent).map { $0 == 4 ? -2e30 : 1 },
  ].map { $0.map { Double(Float($0)) } }

  private func gradients(
    _ specimen: Specimen, _ rows: [[Double]], _ epsilon: Float, _ range: StatisticRange,
    saving saved: [String] = []
  ) throws -> HostTensor {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let kernel = Kernel("k", specimen.norm(x, epsilon, range))
    let shape = [rows.count, Self.extent]
    let inputs = [
      "x": try HostTensor(rows.flatMap { $0 }, shape: shape, .f32),
      "d_y": try HostTensor(rows.flatMap { _ in Self.upstream }, shape: shape, .f32),
    ]
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    return try #require(try compiler.compile(kernel.gradient())(inputs)["d_x"])
  }

  private func expectRight(
    _ specimen: Specimen, _ rows: [[Double]], _ epsilon: Float, _ range: StatisticRange
  ) throws {
    let found = try gradients(specimen, rows, epsilon, range)
    // Each term has a rounding for each element of a sum, and for each of the steps around it.
    let unit = Double(Self.extent + 32) * 0x1p-24
    for (index, row) in rows.enumerated() {
      let right = specimen.gradient(row, Self.upstream, Double(epsilon))
      for (element, (value, size)) in right.enumerated() {
        let distance = abs(found[index * Self.extent + element] - value)
        #expect(
          distance <= unit * size + 0x1p-147,
          "row \(index), \(element), ε \(epsilon): \(found[index * Self.extent + element]), \(value)"
        )
      }
    }
  }

  @Test(arguments: specimens, StatisticRange.allCases)
  func rowsWhoseStatisticsVanishHaveTheGradientOfEpsilon(
    _ specimen: Specimen, range: StatisticRange
  ) throws {
    for epsilon in [1e-6, 1e-12, 0.5] as [Float] {
      try expectRight(specimen, Self.rows, epsilon, range)
    }
  }

  @Test(arguments: specimens.filter { $0.name != "own_outside" })
  func rowsOfAnySizeHaveTheirGradientInTheScaledRange(_ specimen: Specimen) throws {
    try expectRight(specimen, Self.huge, 1e-6, .scaled)
  }

  /// As the norm itself is 0 where a statistic overflows.
  @Test(arguments: specimens)
  func statisticsThatOverflowHaveGradientZero(_ specimen: Specimen) throws {
    let found = try gradients(specimen, [Self.row(1e25, 1), Self.row(1e30, 2)], 1e-6, .plain)
    #expect(found.doubles.allSatisfy { $0 == 0 })
  }

  /// The defaults as the framework's users see them.
  @Test func aRowOfZerosHasTheUpstreamGradientDividedByEpsilon() throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let cases: [(Tensor, Double)] = [
      (x.l2Norm(), 1e12), (x.l2Norm(epsilonPlacement: .outside), 1e12),
      (x.rmsNorm(epsilon: 1e-6, semantics: .paperTorch), 1e6),
    ]
    for (norm, factor) in cases {
      for target in Targets.native {
        let d = try HostTensor([1, 2, -1, 0.5], shape: [1, 4], .f32)
        let gradient = try Compiler(target: target).compile(Kernel("k", norm).gradient())
        let found = try #require(
          try gradient(["x": try HostTensor(zeros: [1, 4], .f32), "d_y": d])["d_x"])
        for (value, upstream) in zip(found.doubles, d.doubles) {
          #expect(abs(value - upstream * factor) <= abs(upstream) * factor * 0x1p-22)
        }
      }
    }
  }

  /// Read from the forward kernel, statistics of a row of zeros do not bring NaN back.
  @Test(arguments: ["inv_length", "sum_square"])
  func savedStatisticsOfZerosHaveTheSameGradient(name: String) throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let zeros = try HostTensor(zeros: [1, 4], .f32)
    for placement in [RMSNormSemantics.EpsilonPlacement.maximum, .outside] {
      let kernel = Kernel("k", x.l2Norm(epsilonPlacement: placement))
      var inputs = ["x": zeros, "d_y": try HostTensor([1, 2, -1, 0.5], shape: [1, 4], .f32)]
      let whole = try #require(try compiler.compile(kernel.gradient())(inputs)["d_x"])
      inputs[name] = try compiler.compile(kernel.storing([name]))(["x": zeros])[name]
      let read = try compiler.compile(kernel.gradient(saving: [name]))(inputs)["d_x"]
      #expect(read?.doubles == whole.doubles)
      #expect(whole.doubles.allSatisfy { $0.isFinite })
    }
  }

  // MARK: Steps

  /// A function of a row, arguments and derivatives for the upstream gradient 1.
  struct Step: CustomTestStringConvertible, Sendable {
    let name: String
    let function: @Sendable (Tensor) -> Tensor
    let x: [Double]
    let right: [Double]
    var testDescription: String { name }
  }

  static let infinity = Double.infinity
  static let zero = Tensor.constant(0)

  static func positive(_ x: Tensor, _ value: Tensor) -> Tensor {
    x.select(ifGreaterThan: zero, value, else: zero)
  }

  static let undefined: [Step] = [
    Step(name: "root", function: { $0.squareRoot() }, x: [0, -0.0, 4], right: [0, 0, 0.25]),
    Step(
      name: "root_of_square", function: { ($0 * $0).squareRoot() }, x: [0, 3, -3, 0x1p-149],
      right: [0, 1, -1, 0]),
    Step(
      name: "absolute", function: { $0.absolute() }, x: [0, -0.0, 1, -2, infinity, .nan],
      right: [0, 0, 1, -1, 1, 0]),
    Step(
      name: "root_of_absolute", function: { $0.absolute().squareRoot() }, x: [0, 4, -4],
      right: [0, 0.25, -0.25]),
    Step(name: "log", function: { $0.log() }, x: [0, -0.0, 2], right: [infinity, -infinity, 0.5]),
    Step(
      name: "reciprocal", function: { 1 / $0 }, x: [0, 2, infinity], right: [-infinity, -0.25, 0]),
    Step(
      name: "maximum", function: { $0.maximum(.constant(1)) }, x: [1, 2, 0, .nan],
      right: [0, 1, 0, 0]),
    Step(
      name: "minimum", function: { Tensor.constant(1).minimum($0) }, x: [1, 2, 0, .nan],
      right: [1, 0, 1, 1]),
    Step(name: "binade", function: { $0.binade() + $0 }, x: [0, 2, .nan], right: [1, 1, 1]),
    Step(
      name: "row_maximum", function: { $0.rowMaximum() + $0 * 0 }, x: [2, 1, 2, 0],
      right: [2, 0, 2, 0]),
  ]

  /// What is not selected, or has saturated, adds nothing.
  static let masked: [Step] = [
    Step(
      name: "log", function: { positive($0, $0.log()) }, x: [0, -1, 2, -infinity],
      right: [0, 0, 0.5, 0]),
    Step(
      name: "reciprocal", function: { positive($0, 1 / $0) }, x: [0, -2, 2], right: [0, 0, -0.25]),
    Step(
      name: "quotient", function: { positive($0, ($0 + 1) / $0) }, x: [0, -2, 2],
      right: [0, 0, -0.25]),
    Step(
      name: "root", function: { positive($0, $0.squareRoot()) }, x: [0, -1, 4], right: [0, 0, 0.25]),
    Step(
      name: "root_below_zero", function: { positive($0, ($0 * 4 - 1).squareRoot()) }, x: [-1, 0.5],
      right: [0, 2]),
    Step(
      name: "elu", function: { $0.select(ifGreaterThan: zero, $0, else: $0.exp() - 1) },
      x: [100, 1e30, infinity, 0, -200, -infinity], right: [1, 1, 1, 1, 0, 0]),
    Step(
      name: "several_branches",
      function: { x in
        let raised = x.exp()
        return positive(x - 1, x) + (zero - x).select(ifGreaterThan: zero, raised, else: zero)
          + (zero - x - 3).select(ifGreaterThan: zero, raised, else: zero)
      }, x: [100, -200, 0.5], right: [1, 0, 0]),
    Step(
      name: "clipped_power", function: { ($0 * $0 * $0).minimum(.constant(1)) },
      x: [1e20, 1e30, 0.5], right: [0, 0, 0.75]),
    Step(
      name: "clipped_power_of_a_mean",
      function: {
        let mean = $0.mean()
        return (mean * mean * mean).minimum(.constant(1)) + $0
      }, x: [1e20, 2e20, 3e20, 4e20], right: [1, 1, 1, 1]),
    Step(
      name: "clipped_exponential", function: { $0.exp().minimum(.constant(1)).maximum(zero) },
      x: [100, 1e30, -1e30], right: [0, 0, 0]),
    Step(
      name: "greatest_logarithm", function: { $0.log().rowMaximum() + $0 * 0 }, x: [0, 2, 0, 1],
      right: [0, 2, 0, 0]),
    Step(
      name: "logarithms_of_a_window",
      function: { $0.leadingPart(2, of: 4) * 0 + $0.log().sum(over: .leading(count: 2)) },
      x: [2, 4, 0, 0], right: [2, 1, 0, 0]),
    Step(
      name: "sum_of_logarithms",
      function: { x in
        let sum = x.log().sum()
        return sum.select(ifGreaterThan: .constant(-10), sum, else: zero) + x
      }, x: [0, 2, 1, 0], right: [1, 1, 1, 1]),
    Step(
      name: "own_safe_norm",
      function: { x in
        let root = (x * x).sum().squareRoot()
        return root.select(ifGreaterThan: zero, x * (1 / root), else: x)
      }, x: [0, 0, 0, 0], right: [1, 1, 1, 1]),
    Step(
      name: "own_safe_division",
      function: { x in
        let root = (x * x).mean().squareRoot()
        return root.select(ifGreaterThan: zero, x / root, else: x)
      }, x: [0, 0, 0, 0], right: [1, 1, 1, 1]),
    Step(
      name: "reshaped",
      function: {
        let halves = $0.reshaped([.rows, 2, 2])
        return positive(halves, $0.log().reshaped([.rows, 2, 2])).reshaped([.rows, 4])
      }, x: [0, 2, -1, 4], right: [0, 0.5, 0, 0.25]),
    Step(
      name: "concatenated",
      function: {
        let (left, right) = ($0.columns(0..<2), $0.columns(2..<4))
        return positive($0, .concatenate([left.log(), right.log()]))
      }, x: [0, 2, -1, 4], right: [0, 0.5, 0, 0.25]),
    Step(
      name: "columns",
      function: {
        let logarithm = $0.log()
        let part = positive($0.columns(0..<2), logarithm.columns(0..<2))
        return .concatenate([part, logarithm.columns(1..<2), $0.columns(3..<4)])
      }, x: [0, 2, -1, 0, 0, 2, 0, 4], right: [0, 1, 0, 1, 0, 1, 0, 1]),
  ]

  static let saturated: [Step] = [
    Step(
      name: "tanh_of_power", function: { ($0 * $0 * $0 + $0).tanh() },
      x: [1e20, -1e20, 1e38, -1e38], right: [0, 0, 0, 0]),
    Step(
      name: "erf_of_power", function: { ($0 * $0 * $0).erf() }, x: [1e20, -1e20], right: [0, 0]),
    Step(
      name: "sigmoid_of_exponential", function: { $0.exp().sigmoid() }, x: [100, 1e30],
      right: [0, 0]),
    Step(
      name: "silu_of_power", function: { (-($0 * $0)).silu() }, x: [1e20, -1e20], right: [0, 0]),
    Step(
      name: "doubly_exponential", function: { (-$0.exp()).exp() }, x: [100, 1e30], right: [0, 0]),
    Step(
      name: "gaussian", function: { (-($0 * $0)).exp() }, x: [1e20, -1e30, 0], right: [0, 0, 0]),
    Step(
      name: "own_sigmoid", function: { 1 / ((-$0).exp() + 1) }, x: [-100, -1e30, 100],
      right: [0, 0, Double(Float(exp(-100.0)))]),
  ]

  private func expectSlopes(_ step: Step) throws {
    let count = 4
    let x = step.x + [Double](repeating: step.x.last ?? 0, count: count - min(count, step.x.count))
    // Rows of four elements; what a row has in common is for one of them.
    let rows = (x.count + count - 1) / count
    let padded = x + [Double](repeating: 1, count: rows * count - x.count)
    let kernel = Kernel("k", step.function(.input("x", [.rows, .fixed(count)], .f32)))
    let gradient = try kernel.gradient()
    let shape = [rows, count]
    let ones = [Double](repeating: 1, count: rows * count)
    let inputs = [
      "x": try HostTensor(padded, shape: shape, .f32),
      "d_y": try HostTensor(ones, shape: shape, .f32),
    ]
    let graph = try gradient.graph()
    let read = Set(graph.inputs.compactMap { graph[$0].inputName })
    for target in Targets.native {
      let compiled = try Compiler(target: target).compile(gradient)
      let found = try #require(try compiled(inputs.filter { read.contains($0.key) })["d_x"])
      for (element, right) in step.right.enumerated() {
        #expect(
          found[element] == right,
          "\(target), \(step.x[element]): \(found[element]) is not \(right)\n\(graph)")
      }
    }
  }

  @Test(arguments: undefined)
  func undefinedDerivativesAreWhatIsDeclared(_ step: Step) throws { try expectSlopes(step) }

  @Test(arguments: masked)
  func whatIsNotSelectedHasNoGradient(_ step: Step) throws { try expectSlopes(step) }

  @Test(arguments: saturated)
  func saturationOutlivesInfiniteDerivatives(_ step: Step) throws { try expectSlopes(step) }
}
