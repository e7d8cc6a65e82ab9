import Foundation
import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// Derivatives of activations and elementary functions over the whole range of Float32, as compiled,
/// against formulas in Float64 that cancel nowhere.
@Suite struct ActivationGradientTests {
  /// A derivative, and the largest of the terms that it is a sum of.
  struct Slope {
    let value: Double
    let size: Double

    init(_ value: Double, of size: Double? = nil) {
      self.value = value
      self.size = Swift.max(abs(value), abs(size ?? 0))
    }
  }

  struct Specimen: CustomTestStringConvertible, Sendable {
    let name: String
    let function: @Sendable (Tensor) -> Tensor
    /// The greatest error found, in units in the last place of the larger term, to one
    /// digit upwards.
    let error: Double
    /// Where it is.
    var at: Float = 1
    /// The derivative at NaN.
    var atNaN = Float.nan
    /// The derivative at a number or an infinity.
    let slope: @Sendable (Double) -> Slope

    var testDescription: String { name }
  }

  // e^−t and its like are 0 long before their factors are infinite.
  static func finite(_ x: Double) -> Double { min(abs(x), 1e4) }

  static let specimens: [Specimen] = [
    Specimen(name: "relu", function: { $0.relu() }, error: 0, atNaN: 0) { Slope($0 > 0 ? 1 : 0) },
    Specimen(
      name: "leaky_relu", function: { $0.leakyReLU(slope: 0.1) }, error: 0, atNaN: 0.1
    ) { Slope($0 > 0 ? 1 : Double(Float(0.1))) },
    Specimen(name: "sigmoid", function: { $0.sigmoid() }, error: 4.3, at: 0x1.35c1bcp+2) {
      let z = exp(-finite($0))
      return Slope(z / ((1 + z) * (1 + z)))
    },
    Specimen(name: "tanh", function: { $0.tanh() }, error: 4.3, at: 0x1.35c1bcp+1) {
      let z = exp(-2 * finite($0))
      return Slope(4 * z / ((1 + z) * (1 + z)))
    },
    Specimen(name: "erf", function: { $0.erf() }, error: 2.7, at: 0x1.5e5f0ap+2) {
      Slope(2 / Double.pi.squareRoot() * exp(-finite($0) * finite($0)))
    },
    Specimen(name: "exp", function: { $0.exp() }, error: 0.9) { Slope(exp($0)) },
    Specimen(name: "silu", function: { $0.silu() }, error: 5.7, at: -0x1.255dp+3) {
      gated($0, finite($0), finite($0))
    },
    Specimen(name: "gelu", function: { $0.gelu() }, error: 7.2, at: -0x1.a993b6p+3) { x in
      let t = finite(x)
      let tail = erfc(t * 0.5.squareRoot()) / 2
      let rest = t * exp(-t * t / 2) / (2 * Double.pi).squareRoot()
      return x > 0 ? Slope(1 - tail + rest) : Slope(tail - rest, of: max(tail, rest))
    },
    Specimen(name: "gelu_tanh", function: { $0.geluTanh() }, error: 8.2, at: -0x1.10117cp+2) { x in
      let t = finite(x)
      let c = 2 * (2 / Double.pi).squareRoot()
      return gated(
        x, c * (t + 0.044715 * t * t * t), c * (t + 3 * 0.044715 * t * t * t))
    },
  ]

  /// The derivative of x · σ(±v), where x · ∂v = w.
  static func gated(_ x: Double, _ v: Double, _ w: Double) -> Slope {
    let z = exp(-v)
    let square = (1 + z) * (1 + z)
    if x > 0 { return Slope((1 + z + w * z) / square) }
    return Slope(z * (1 + z - w) / square, of: z * max(1 + z, w) / square)
  }

  /// All binades of both signs, and the range in which something happens.
  static let arguments: [Float] = {
    var magnitudes: [Float] = [0]
    for exponent in -149...127 {
      for step in 0..<32 {
        magnitudes.append(
          Float(sign: .plus, exponent: exponent, significand: 1 + Float(step) / 32 + 0x1.3p-9))
      }
    }
    magnitudes += (1...60_000).map { Float($0) / 550 }
    return (magnitudes + magnitudes.map(-)).filter { $0.isFinite }
  }()

  static func slopes(
    _ function: (Tensor) -> Tensor, at x: [Float], target: Target = HostCPU.current.bestTarget
  ) throws -> [Float] {
    let kernel = Kernel("k", function(.input("x", [.rows, .fixed(x.count)], .f32)))
    let gradient = try Compiler(target: target).compile(kernel.gradient())
    let names = try kernel.gradient().graph().inputs.count
    var inputs = [
      "d_y": try HostTensor([Double](repeating: 1, count: x.count), shape: [1, x.count], .f32)
    ]
    if names > 1 { inputs["x"] = try HostTensor(x.map(Double.init), shape: [1, x.count], .f32) }
    return try #require(try gradient(inputs)["d_x"]).doubles.map { Float($0) }
  }

  /// The greatest error of some derivatives, in units in the last place, and where it is.
  struct Greatest {
    var error = 0.0
    var at: Float = 0

    mutating func take(_ specimen: Specimen, _ arguments: [Float], _ found: [Float]) {
      for (x, value) in zip(arguments, found) {
        let right = specimen.slope(Double(x))
        if Float(right.value) == value { continue }
        let error = abs(Double(value) - right.value) / DType.f32.ulp(at: right.size)
        // Also what is NaN.
        if !(error <= self.error) { (self.error, at) = (error, x) }
      }
    }

    func expect(_ specimen: Specimen) {
      #expect(at == specimen.at || specimen.error < 1)
      #expect((error * 10).rounded(.up) / 10 == specimen.error, "\(error) at \(at)")
    }
  }

  @Test(arguments: specimens)
  func derivativesAreAFewUnitsOffEverywhere(_ specimen: Specimen) throws {
    let arguments = [specimen.at] + Self.arguments
    var greatest = Greatest()
    greatest.take(specimen, arguments, try Self.slopes(specimen.function, at: arguments))
    greatest.expect(specimen)
  }

  /// The same for all numbers; it takes minutes.
  @Test(.enabled(if: Targets.sweeps), arguments: specimens)
  func derivativesOfAllNumbersAreAFewUnitsOff(_ specimen: Specimen) throws {
    let width = 1 << 16
    let kernel = Kernel("k", specimen.function(.input("x", [.rows, .fixed(width)], .f32)))
    let gradient = try Compiler().compile(kernel.gradient())
    let readsInput = try kernel.gradient().graph().inputs.count > 1
    var inputs = [
      "d_y": try HostTensor([Float](repeating: 1, count: width), shape: [1, width])
    ]
    var greatest = Greatest()
    for start in stride(from: UInt32(0), to: UInt32(Float.infinity.bitPattern), by: width) {
      for sign in [UInt32(0), 1 << 31] {
        let bits = start..<min(start + UInt32(width), Float.infinity.bitPattern)
        var x = bits.map { Float(bitPattern: $0 | sign) }
        x += [Float](repeating: 0, count: width - x.count)
        if readsInput { inputs["x"] = try HostTensor(x, shape: [1, width]) }
        let found = try #require(try gradient(inputs)["d_x"]).doubles.map { Float($0) }
        greatest.take(specimen, x, found)
      }
    }
    greatest.expect(specimen)
  }

  /// The limits where a function saturates, and NaN for NaN unless a comparison decides.
  @Test(arguments: specimens)
  func derivativesAtInfinityAreTheirLimits(_ specimen: Specimen) throws {
    for target in Targets.native {
      let found = try Self.slopes(
        specimen.function, at: [.infinity, -.infinity, .nan, 1e20, -1e20], target: target)
      for (x, value) in zip([1e300, -1e300], found) {
        #expect(value == Float(specimen.slope(x).value), "\(target) \(x)")
      }
      for (x, value) in zip([1e20, -1e20], found.suffix(2)) {
        #expect(value == Float(specimen.slope(x).value), "\(target) \(x)")
      }
      #expect(found[2] == specimen.atNaN || found[2].isNaN && specimen.atNaN.isNaN, "\(target)")
    }
  }

  /// What an activation costs is one exponential, no more than its value does.
  @Test(arguments: Activation.named.map(\.name))
  func derivativesTakeOneElementaryFunction(name: String) throws {
    let activation = try #require(Activation.named.first { $0.name == name })
    let graph = try Kernel("k", activation(.input("x", [.rows, 8], .f32))).gradient().graph()
    let functions = graph.nodes.filter {
      if case .elementwise(let op) = $0.op { op.elementaryFunction != nil } else { false }
    }
    #expect(functions.count == (name == "relu" ? 0 : 1))
  }
}
