import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Norms of rows whose squares leave Float32: `range: .scaled` against the textbook, against the oracle
/// on every target, and bit for bit against `.plain` where that holds.
@Suite struct StatisticRangeTests {
  typealias Norm = @Sendable (Tensor, StatisticRange, _ epsilon: Float) -> Tensor

  /// A norm and its definition, of the leading `window` elements.
  struct Specimen: CustomTestStringConvertible, Sendable {
    let name: String
    let window: Int
    let norm: Norm
    let textbook: @Sendable (Textbook.Row, Double, Textbook.Format) -> Textbook.Row

    var testDescription: String { name }
  }

  static let extent = 37

  static let specimens: [Specimen] = [
    Specimen(
      name: "rms", window: extent,
      norm: { $0.rmsNorm(epsilon: $2, range: $1) },
      textbook: { Textbook.plain($0, ones, $1, extent, $2, $2) }),
    Specimen(
      name: "rms_divided", window: extent,
      norm: { $0.rmsNorm(epsilon: $2, range: $1, semantics: .onnx) },
      textbook: { Textbook.plain($0, ones, $1, extent, $2, $2) }),
    Specimen(
      name: "rms_outside", window: 5,
      norm: {
        $0.rmsNorm(epsilon: $2, statistics: .leading(count: 5), range: $1, semantics: .paperTorch)
      },
      textbook: { Textbook.paperTorch($0, ones, $1, 5, $2, $2) }),
    Specimen(
      name: "partial", window: 5,
      norm: { $0.rmsNorm(epsilon: $2, statistics: .leading(count: 5), range: $1) },
      textbook: { Textbook.plain($0, ones, $1, 5, $2, $2) }),
    Specimen(
      name: "layer", window: extent,
      norm: { $0.layerNorm(epsilon: $2, range: $1) },
      textbook: { Textbook.layer($0, ones, zeros, $1, $2) }),
    Specimen(
      name: "layer_divided", window: extent,
      norm: { $0.layerNorm(epsilon: $2, range: $1, semantics: .paper) },
      textbook: { Textbook.layer($0, ones, zeros, $1, $2) }),
    Specimen(
      name: "l2", window: extent,
      norm: { $0.l2Norm(epsilon: $2, range: $1) }, textbook: { Textbook.l2($0, $1, $2) }),
    Specimen(
      name: "groups", window: extent,
      norm: { $0.groupNorm(groups: 1, epsilon: $2, range: $1) },
      textbook: { Textbook.layer($0, ones, zeros, $1, $2) }),
  ]

  static let ones = Textbook.Row(repeating: 1, count: extent)
  static let zeros = Textbook.Row(repeating: 0, count: extent)

  /// Rows of both signs, none constant, by their greatest magnitude.
  static func row(_ size: Double, _ seed: Int) -> [Double] {
    (0..<extent).map { Double(($0 * 7919 + seed * 104_729) % 211 - 105) / 105 * size }
  }

  static let huge = [
    row(1e19, 1), row(1e25, 2), row(3e38, 3), row(3.38e38, 4).map(abs),
    (0..<extent).map { $0 == 30 ? 3e38 : Double($0) },
    (0..<extent).map { $0 % 2 == 0 ? 1e30 : -1e-30 },
    (0..<extent).map { $0 == 3 ? -2e38 : 1 },
    [Double](repeating: 0x1.fep127, count: extent - 1) + [-1e38],
  ]

  static let tiny = [
    row(1e-20, 1), row(1e-30, 2), row(1e-37, 3), row(0x1p-140, 4), row(0x1p-146, 5),
    (0..<extent).map { $0 == 2 ? 0x1p-149 : 0 }, (0..<extent).map { $0 < 3 ? 1e-38 : 1e-44 },
  ]

  static let ordinary = [
    row(1, 6), row(8e4, 7), row(1e-3, 8), row(4e9, 9), (0..<extent).map { $0 == 7 ? 8e4 : 1e-30 },
  ]

  private func format(_ type: DType) -> Textbook.Format { type == .bf16 ? .brain : .single }

  private func kernel(
    _ specimen: Specimen, _ type: DType, _ range: StatisticRange, _ epsilon: Float
  ) throws -> Graph {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], type)
    return try Kernel("k", specimen.norm(x, range, epsilon).stored(as: type)).graph()
  }

  private func tensor(_ rows: [[Double]], _ type: DType) throws -> [String: HostTensor] {
    ["x": try HostTensor(rows.flatMap { $0 }, shape: [rows.count, Self.extent], type)]
  }

  /// Rows with the epsilons that they are normalized by.
  static let cases: [(rows: [[Double]], epsilons: [Float])] = [
    (huge + ordinary, [1e-6, 0.8765]), (huge, [0, 1e30]), (tiny, [0, 0x1p-133, 1e-6]),
  ]

  @Test(arguments: specimens, [DType.f32, .bf16])
  func rowsOfAnySizeAreTheTextbooks(specimen: Specimen, type: DType) throws {
    for (rows, epsilons) in Self.cases {
      for epsilon in epsilons {
        let graph = try kernel(specimen, type, .scaled, epsilon)
        let inputs = try tensor(rows, type)
        let oracle = try GraphInterpreter.outputs(of: graph, rows: rows.count, inputs: inputs)[0]
        let x = try #require(inputs["x"])
        for row in rows.indices {
          let elements = (0..<Self.extent).map { x[row * Self.extent + $0] }
          // A window of zeros has no direction.
          guard epsilon > 0 || elements[..<specimen.window].contains(where: { $0 != 0 }) else {
            continue
          }
          let right = specimen.textbook(elements, Double(epsilon), format(type))
          let mistake = right.indices.first {
            !isRight(oracle[row * Self.extent + $0], right[$0])
          }
          guard let mistake else { continue }
          let found = oracle[row * Self.extent + mistake]
          Issue.record("row \(row), \(mistake), ε \(epsilon): \(found) is not \(right[mistake])")
        }
      }
    }
  }

  /// Whether the oracle has the textbook's value, within its bound if that says something.
  private func isRight(_ oracle: Bounded, _ value: Double) -> Bool {
    if Float(oracle.value) == Float(value) { return true }
    if oracle.isVacuous { return abs(value) > 3e38 }
    return oracle.value.isNaN ? value.isNaN : abs(value - oracle.value) <= oracle.error
  }

  @Test(arguments: specimens)
  func rowsOfAnySizeAgreeOnEveryTarget(specimen: Specimen) throws {
    let calls = try Self.cases.map { rows, epsilons in
      Targets.Call(
        graph: try kernel(specimen, .f32, .scaled, epsilons[0]), rows: rows.count,
        inputs: try tensor(rows, .f32))
    }
    try Targets.check(calls, bounded: false)
  }
}

extension StatisticRangeTests {
  /// All rows that the plain norm handles: its bits, special values included.
  @Test(arguments: specimens, [1e-6, 0.8765, 0] as [Float])
  func ordinaryRowsHaveThePlainBits(specimen: Specimen, epsilon: Float) throws {
    // Where epsilon keeps the divisor from zero, whatever is below 2³³, and infinities and NaN.
    let special = SpecialValueTests.rows(Self.extent, .f32).map(\.values).filter { row in
      row.allSatisfy { !($0.isFinite && abs($0) >= 0x1p33) }
    }
    let rows = epsilon > 0 ? Self.ordinary + special : Array(Self.ordinary.prefix(4))
    try expectEqualBits(specimen, epsilon, rows)
  }

  /// Scaled rows whose plain statistics neither overflow nor underflow.
  @Test(arguments: specimens)
  func scalingCommutesWithEveryRounding(specimen: Specimen) throws {
    let large = [row(1e11, 1), row(1e14, 2), row(3e17, 3)]
    let small = [row(1e-11, 4), row(1e-13, 5), row(1e-15, 6)]
    for epsilon in [0, 1e-6, 1e9, 1e25] as [Float] {
      try expectEqualBits(specimen, epsilon, large)
    }
    for epsilon in [0, 1e-27, 1e-22] as [Float] { try expectEqualBits(specimen, epsilon, small) }
  }

  private func row(_ size: Double, _ seed: Int) -> [Double] { Self.row(size, seed) }

  private func expectEqualBits(
    _ specimen: Specimen, _ epsilon: Float, _ rows: [[Double]]
  ) throws {
    let inputs = try tensor(rows, .f32)
    for target in Targets.native {
      let compiler = Compiler(target: target)
      let outputs = try StatisticRange.allCases.map { range in
        try compiler.compile(kernel(specimen, .f32, range, epsilon))(inputs)
      }
      let difference = firstDifference(outputs[0], outputs[1])
      #expect(difference == nil, "\(target), ε \(epsilon): \(difference ?? "")")
    }
  }

  /// Without epsilon a norm of x · 2ᵏ is the plain one of x, and its gradient that of x times 2⁻ᵏ, to
  /// the bit.
  @Test(arguments: ["rms", "layer", "l2", "partial"], [-100, -60, 40, 90, 118])
  func powersOfTwoChangeNothing(name: String, exponent: Int) throws {
    let specimen = try #require(Self.specimens.first { $0.name == name })
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let scaled = Kernel("k", specimen.norm(x, .scaled, 0))
    let plain = Kernel("k", specimen.norm(x, .plain, 0))
    let power = Double(sign: .plus, exponent: exponent, significand: 1)
    let base = Self.row(1, 11).map { Double(Float($0)) }
    let upstream = try HostTensor(Self.row(1, 12), shape: [1, Self.extent], .f32)
    func outputs(_ kernel: Kernel, _ row: [Double]) throws -> [[Double]] {
      let inputs = try tensor([row], .f32)
      let y = try compiler.compile(kernel)(inputs)["y"]
      let gradient = try compiler.compile(kernel.gradient())
      let dx = try gradient(inputs.merging(["d_y": upstream]) { $1 })["d_x"]
      return [try #require(y).doubles, try #require(dx).doubles]
    }
    let right = try outputs(scaled, base)
    #expect(try outputs(plain, base)[0] == right[0])
    let found = try outputs(scaled, base.map { $0 * power })
    #expect(found[0] == right[0])
    #expect(found[1] == right[1].map { $0 / power })
  }

  /// The statistics of the row itself come back from the scaled ones.
  @Test func statisticsAreThoseOfTheRow() throws {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let rms = x.rmsNormalization(epsilon: 0, range: .scaled)
    let layer = x.layerNormalization(epsilon: 0, range: .scaled)
    let mean = try #require(layer.mean)
    let kernel = Kernel(
      "k",
      outputs: ["rms": rms.inverseDeviation, "layer": layer.inverseDeviation, "mean": mean])
    let compiled = try Compiler(target: HostCPU.current.bestTarget).compile(kernel)
    let rows = [Self.row(1e30, 1), Self.row(3, 2), Self.row(1e-30, 3)]
    let outputs = try compiled(tensor(rows, .f32))
    for (index, row) in rows.enumerated() {
      let mean = Textbook.mean(row)
      let values: [(String, Double)] = [
        ("rms", 1 / Textbook.meanSquare(row).squareRoot()), ("mean", mean),
        ("layer", 1 / Textbook.meanSquare(row.map { $0 - mean }).squareRoot()),
      ]
      for (name, value) in values {
        let found = try #require(outputs[name])[index]
        #expect(abs(found - value) <= abs(value) * 0x1p-15, "\(name) \(index)")
      }
    }
  }

  // MARK: The binade

  @Test(arguments: Targets.usable)
  func binadeIsTheGreatestPowerOfTwo(target: Target) throws {
    var values: [Float] = [0, -0.0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude]
    for exponent in -149...127 {
      let power = Float(sign: .plus, exponent: exponent, significand: 1)
      values += [power, -power, power.nextUp, power.nextDown, -power.nextDown]
    }
    // A row of them is a vector, one number a row the scalar form.
    for extent in [values.count, 1] {
      let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
      let rows = values.count / extent
      let compiler = Compiler(target: target)
      let lowering = try compiler.lower(Kernel("k", x.binade()))
      let inputs = ["x": try HostTensor(values.map(Double.init), shape: [rows, extent], .f32)]
      let call = KernelCall(lowering, rows: rows, inputs: inputs)
      let outputs = try TargetMachine.outputs(of: [call], on: target, compiler: compiler)[0]
      let y = try #require(outputs["y"])
      for (index, value) in values.enumerated() {
        let right: Float
        if value.isNaN || value == 0 {
          right = abs(value)
        } else {
          right = value.isInfinite ? 0x1p127 : value.binade.magnitude
        }
        #expect(y[index] == Double(right) || y[index].isNaN && right.isNaN, "\(value)")
        #expect(y[index].sign == .plus || right.isNaN, "\(value)")
      }
      #expect(try KernelCheck(call, outputs: outputs).passes)
    }
  }

  /// Where a rounding may carry a value across a power of two, the oracle takes both binades.
  @Test func uncertainBinadesAreBounded() throws {
    let x = Tensor.input("x", [.rows, 1], .f32)
    let graph = try Kernel("k", ((x * 3) / 3).binade()).graph()
    let below = 1 - 0x1p-24
    let inputs = ["x": try HostTensor([below, 1.5, .infinity, .nan], shape: [4, 1], .f32)]
    let oracle = try GraphInterpreter.outputs(of: graph, rows: 4, inputs: inputs)[0]
    #expect(oracle[0] == Bounded(0.5, error: 0.5))
    #expect(oracle[1] == Bounded(1))
    #expect(oracle[2] == Bounded(0x1p127))
    #expect(oracle[3].value.isNaN && !oracle[3].isVacuous)
  }
}

/// Scaled norms with a mistake, each of which the oracle of the right one must catch.
struct ScaleMutant: Sendable, CustomTestStringConvertible {
  let name: String
  let rows: [[Double]]
  let epsilon: Float
  let window: Int
  /// The scale, and epsilon for the scaled row.
  let wrong: @Sendable (_ x: Tensor, _ window: StatisticWindow) -> (scale: Tensor, epsilon: Tensor)

  var testDescription: String { name }

  static let extent = StatisticRangeTests.extent

  static func power(_ x: Tensor, _ window: StatisticWindow, floor: Float) -> Tensor {
    x.absolute().rowMaximum(over: window).maximum(.constant(floor)).binade()
  }

  static func scale(_ power: Tensor) -> Tensor {
    (0x1p-32 / power).maximum(.constant(1)).minimum(0x1p32 / power)
  }

  static let least = Float.leastNonzeroMagnitude

  static let all: [ScaleMutant] = [
    ScaleMutant(
      name: "no clamp", rows: [(0..<extent).map { $0 % 3 == 0 ? 0x1p-149 : -0x1p-148 }], epsilon: 0,
      window: extent, wrong: { (1 / power($0, $1, floor: least), .constant(0)) }),
    ScaleMutant(
      name: "no floor", rows: [(0..<extent).map { $0 < 5 ? 0 : 1 }], epsilon: 0, window: 5,
      wrong: { (scale($0.absolute().rowMaximum(over: $1).binade()), .constant(0)) }),
    ScaleMutant(
      name: "floor without epsilon", rows: [(0..<extent).map { $0 < 5 ? 1e-38 : 1e30 }],
      epsilon: 1e-6, window: 5,
      wrong: {
        let scale = scale(power($0, $1, floor: least))
        return (scale, 1e-6 * scale * scale)
      }),
    ScaleMutant(
      name: "epsilon not scaled", rows: [StatisticRangeTests.row(1e12, 1)], epsilon: 1e24,
      window: extent, wrong: { (scale(power($0, $1, floor: 1)), .constant(1e24)) }),
    ScaleMutant(
      name: "epsilon scaled once", rows: [StatisticRangeTests.row(1e12, 1)], epsilon: 1e24,
      window: extent,
      wrong: {
        let scale = scale(power($0, $1, floor: 1))
        return (scale, 1e24 * scale)
      }),
    ScaleMutant(
      name: "greatest instead of greatest magnitude",
      rows: [(0..<extent).map { $0 == 9 ? -1e30 : Double($0) }], epsilon: 0, window: extent,
      wrong: { (scale($0.rowMaximum(over: $1).maximum(.constant(least)).binade()), .constant(0)) }),
    ScaleMutant(
      name: "window ignored", rows: [(0..<extent).map { $0 < 5 ? 1e-25 : 1e15 }], epsilon: 0,
      window: 5, wrong: { x, _ in (scale(power(x, .all, floor: least)), .constant(0)) }),
    ScaleMutant(
      name: "not scaled", rows: [StatisticRangeTests.row(1e30, 3)], epsilon: 0, window: extent,
      wrong: { _, _ in (.constant(1), .constant(0)) }),
  ]

  func kernel(isWrong: Bool) -> Kernel {
    let x = Tensor.input("x", [.rows, .fixed(Self.extent)], .f32)
    let statistics = StatisticWindow.leading(count: window)
    guard isWrong else {
      return Kernel("k", x.rmsNorm(epsilon: epsilon, statistics: statistics, range: .scaled))
    }
    let (scale, scaledEpsilon) = wrong(x, statistics)
    let row = x * scale
    let mean = (row * row).mean(over: statistics)
    return Kernel("k", row * (1 / (mean + scaledEpsilon).squareRoot()))
  }
}

extension StatisticRangeTests {
  @Test(arguments: ScaleMutant.all)
  func wrongScaleIsCaught(mutant: ScaleMutant) throws {
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let right = try compiler.lower(mutant.kernel(isWrong: false))
    let inputs = try tensor(mutant.rows, .f32)
    let call = KernelCall(right, rows: mutant.rows.count, inputs: inputs)
    func isAccepted(_ kernel: CompiledKernel) throws -> Bool {
      let check = try KernelCheck(call, outputs: try kernel(inputs))
      #expect(check.outputs.allSatisfy { $0.agreement.vacuous == 0 })
      return check.passes
    }
    #expect(try isAccepted(compiler.compile(right)))
    #expect(
      try !isAccepted(compiler.compile(mutant.kernel(isWrong: true))), "'\(mutant.name)' survives")
  }
}
