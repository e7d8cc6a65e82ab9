import Foundation
import NormGen
import NormGenCheck
import Testing

/// Rows whose mean is large beside their deviation.
@Suite struct LargeMeanTests {
  struct Specimen: CustomTestStringConvertible, Sendable {
    let name: String
    let row: [Double]

    var testDescription: String { name }
    /// The elements as Float32 holds them.
    var stored: [Double] { row.map { Double(Float($0)) } }
  }

  static let specimens: [Specimen] = [
    Specimen(name: "10000 and thousandths", row: (0..<16).map { 10000 + Double($0) * 1e-3 }),
    Specimen(name: "100000 and hundredths", row: noise(4096).map { 1e5 + $0 * 0.01 }),
    Specimen(name: "constant", row: [Double](repeating: 33333.3, count: 768)),
    Specimen(name: "negative", row: noise(300).map { -4096.5 + $0 * 1e-2 }),
    Specimen(name: "several blocks", row: noise(9000).map { 777 + $0 * 1e-3 }),
  ]

  /// Numbers of mean 0 and deviation 1, about.
  static func noise(_ count: Int) -> [Double] {
    var generator = SeededGenerator(seed: 21)
    return (0..<count).map { _ in
      (0..<12).reduce(-6) { sum, _ in sum + Double(generator.next() >> 11) * 0x1p-53 }
    }
  }

  /// The forms of the norm, all of which are that of one group.
  static let forms: [(name: String, norm: @Sendable (Tensor) -> Tensor)] = [
    ("layer", { $0.layerNorm() }), ("scaled", { $0.layerNorm(range: .scaled) }),
    ("group", { $0.groupNorm(groups: 1) }),
    (
      "divided",
      { $0.layerNorm(semantics: LayerNormSemantics(scaling: .division, affine: .separate)) }
    ),
  ]

  static func greatest(_ row: [Double]) -> Double { row.map(abs).max() ?? 0 }

  /// Four units in the last place of the row's largest result; of a row of zeros nothing.
  @Test(arguments: specimens, Targets.native)
  func errorIsFourUnitsOfTheLargestResult(specimen: Specimen, target: Target) throws {
    let extent = specimen.row.count
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let tensor = try HostTensor(specimen.stored, shape: [1, extent], .f32)
    let right = Textbook.layer(
      specimen.stored, [Double](repeating: 1, count: extent),
      [Double](repeating: 0, count: extent), Double(Float(1e-5)), .single)
    let largest = Self.greatest(right)
    let unit = largest == 0 ? 0 : DType.f32.ulp(at: largest)
    let compiler = Compiler(target: target)
    for form in Self.forms {
      let y = try #require(try compiler.compile(Kernel("k", form.norm(x)))(["x": tensor])["y"])
      let error = zip(y.doubles, right).map { abs($0 - $1) }.max() ?? 0
      #expect(error <= 4 * unit, "\(form.name): \(error / unit) units")
    }
  }

  /// Each channel of an instance norm is a row.
  @Test func channelsAreRows() throws {
    let x = Tensor.input("x", [.rows, 3, 16], .f32)
    let row = Self.specimens[0].stored
    let tensor = try HostTensor(row + row.map { $0 * 2 } + row.reversed(), shape: [1, 3, 16], .f32)
    let y = try #require(
      try Compiler(target: HostCPU.current.bestTarget).compile(Kernel("k", x.instanceNorm()))(
        ["x": tensor])["y"])
    let ones = [Double](repeating: 1, count: 16)
    let right = Textbook.layer(row, ones, ones.map { $0 - 1 }, Double(Float(1e-5)), .single)
    let unit = DType.f32.ulp(at: Self.greatest(right))
    for element in 0..<16 {
      #expect(abs(y[element] - right[element]) <= 4 * unit)
      #expect(abs(y[32 + element] - right[15 - element]) <= 4 * unit)
    }
  }

  /// What a residual or a product adds is no large mean either.
  @Test func sumsAndProductsAreCorrected() throws {
    let (row, extent) = (Self.specimens[0].stored, 16)
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let residual = Tensor.input("residual", [.rows, .fixed(extent)], .f32)
    let w = Tensor.input("w", [.fixed(extent), .fixed(extent)], .f32)
    let identity = (0..<extent * extent).map { $0 % (extent + 1) == 0 ? 1.0 : 0 }
    let zeros = [Double](repeating: 0, count: extent)
    let inputs = [
      "x": try HostTensor(row.map { $0 - 9000 }, shape: [1, extent], .f32),
      "residual": try HostTensor(zeros.map { $0 + 9000 }, shape: [1, extent], .f32),
      "w": try HostTensor(identity, shape: [extent, extent], .f32),
    ]
    let right = Textbook.layer(
      row, zeros.map { $0 + 1 }, zeros, Double(Float(1e-5)), .single)
    let unit = DType.f32.ulp(at: Self.greatest(right))
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let kernel = Kernel("k", (x.matmul(w) + residual).layerNorm())
    let y = try #require(try compiler.compile(kernel)(inputs)["y"])
    for (found, value) in zip(y.doubles, right) { #expect(abs(found - value) <= 4 * unit) }
  }

  /// The textbook's gradient, in Float64.
  static func gradient(_ row: [Double], _ dy: [Double], epsilon: Double) -> [Double] {
    let mean = Textbook.mean(row)
    let centred = row.map { $0 - mean }
    let inverse = 1 / (Textbook.meanSquare(centred) + epsilon).squareRoot()
    let normalized = centred.map { $0 * inverse }
    let along = Textbook.mean(Textbook.product(dy, normalized))
    let mean2 = Textbook.mean(dy)
    return zip(dy, normalized).map { inverse * ($0 - mean2 - $1 * along) }
  }

  @Test(arguments: specimens)
  func gradientIsThatOfTheRealRow(specimen: Specimen) throws {
    let extent = specimen.row.count
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let dy = Self.noise(extent + 3).suffix(extent).map { Double(Float($0)) }
    let inputs = [
      "x": try HostTensor(specimen.stored, shape: [1, extent], .f32),
      "d_y": try HostTensor(dy, shape: [1, extent], .f32),
    ]
    let right = Self.gradient(specimen.stored, dy, epsilon: Double(Float(1e-5)))
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let unit = DType.f32.ulp(at: Self.greatest(right))
    for form in Self.forms {
      let kernel = try compiler.compile(Kernel("k", form.norm(x)).gradient())
      let found = try #require(try kernel(inputs)["d_x"])
      let error = zip(found.doubles, right).map { abs($0 - $1) }.max() ?? 0
      #expect(error <= 8 * unit, "\(form.name): \(error / unit) units")
    }
  }

  /// A gradient without the correction is that of another row.
  @Test func gradientsWithoutTheCorrectionAreSeen() throws {
    let row = Self.specimens[0].stored
    let x = Tensor.input("x", [.rows, 16], .f32)
    let dy = Self.noise(16).map { Double(Float($0)) }
    let inputs = [
      "x": try HostTensor(row, shape: [1, 16], .f32),
      "d_y": try HostTensor(dy, shape: [1, 16], .f32),
    ]
    let right = Self.gradient(row, dy, epsilon: Double(Float(1e-5)))
    let unit = DType.f32.ulp(at: Self.greatest(right))
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let graph = try Kernel("k", x.layerNorm()).gradient().graph()
    func error(_ graph: Graph) throws -> Double {
      let found = try #require(try compiler.compile(compiler.lower(graph))(inputs)["d_x"])
      return zip(found.doubles, right).map { abs($0 - $1) }.max() ?? 0
    }
    #expect(try error(graph) <= 8 * unit)
    let text = "\(graph)"
    let uses = ["shifted - mean_shifted", "fma(%1, mean_shifted, ", "fma(%1, %2, "]
    for use in uses {
      try #require(text.contains(use), "\(text)")
      let wrong = use.replacingOccurrences(of: "mean_shifted", with: "0.0")
        .replacingOccurrences(of: "%1", with: "0.0")
      let mutant = try GraphParser.graphs(in: text.replacingOccurrences(of: use, with: wrong))[0]
      #expect(try error(mutant) > 8 * unit, "\(wrong)")
    }
  }

  /// The correction takes no pass, forward or back.
  @Test func correctionTakesNoPass() throws {
    let x = Tensor.input("x", [.rows, 300], .f32)
    let residual = Tensor.input("residual", [.rows, 300], .f32)
    let gain = Tensor.input("gain", [300], .f32)
    let shift = Tensor.input("shift", [300], .f32)
    for value in [x, x + residual] {
      let kernel = Kernel("k", value.layerNorm(gain: gain, shift: shift))
      #expect(try FusionPlanner.plan(of: kernel.graph()).regions.map(\.passes.count) == [3])
      let gradient = try kernel.gradient().graph()
      #expect(try FusionPlanner.plan(of: gradient).regions.map(\.passes.count) == [3])
    }
  }

  /// A deviation is no rounding's: the variance of a constant row is 0 and not below it, whatever
  /// its mean rounds to.
  @Test(arguments: [1, 2, 3, 37, 64, 65, 300, 768, 4097, 10000])
  func constantRowsGiveTheShift(extent: Int) throws {
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let shift = Tensor.input("shift", [.fixed(extent)], .f32)
    let numbers = [33333.3, 0.1, -1e-3, 1e30, 3e-20, 0x1.fffffep9, 1 / 3.0]
    let rows = numbers.flatMap { [Double](repeating: $0, count: extent) }
    let inputs = [
      "x": try HostTensor(rows, shape: [numbers.count, extent], .f32),
      "shift": try HostTensor([Double](repeating: 0.25, count: extent), shape: [extent], .f32),
    ]
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    for range in StatisticRange.allCases {
      let kernel = Kernel("k", x.layerNorm(shift: shift, epsilon: 1e-12, range: range))
      let y = try #require(try compiler.compile(kernel)(inputs)["y"])
      for (row, number) in numbers.enumerated() {
        // Squares overflow without a scale.
        if range == .plain, number > 1e18 { continue }
        let elements = (0..<extent).map { y[row * extent + $0] }
        #expect(elements.allSatisfy { $0 == 0.25 }, "\(number), \(range)")
      }
    }
  }

  /// The saved mean is the corrected one.
  @Test func savedMeanIsCorrected() throws {
    let specimen = Self.specimens[1]
    let extent = specimen.row.count
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let mean = try #require(x.layerNormalization().mean)
    let scaled = try #require(x.layerNormalization(range: .scaled).mean)
    let compiled = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("k", outputs: ["mean": mean, "scaled": scaled]))
    let outputs = try compiled(["x": HostTensor(specimen.stored, shape: [1, extent], .f32)])
    let right = Float(Textbook.mean(specimen.stored))
    #expect(outputs["mean"]?.doubles == [Double(right)])
    #expect(outputs["scaled"]?.doubles == [Double(right)])
  }
}
