import NormGen
import NormGenCheck
import Testing

@testable import NormGenReference

/// The oracle's bounds: finite where one can be derived, and never too small.
@Suite struct BoundedTests {
  private func oracle(_ output: Tensor, _ rows: [[Double]]) throws -> [Bounded] {
    let graph = try Kernel("k", output).graph()
    let inputs = [
      "x": try HostTensor(rows.flatMap { $0 }, shape: [rows.count, rows[0].count], .f32)
    ]
    return try GraphInterpreter.outputs(of: graph, rows: rows.count, inputs: inputs)[0]
  }

  private func input(_ extent: Int) -> Tensor { Tensor.input("x", [.rows, .fixed(extent)], .f32) }

  @Test func aSumThatOverflowsIsInfinite() throws {
    let x = input(2)
    let sums = try oracle((x * x).sum(), [[1e25, 1e-40], [1e-40, 1e25], [-1e25, 1e-40]])
    #expect(sums.allSatisfy { $0.value == .infinity && $0.error == 0 })
    // So is one with a finite number that may have either sign.
    let uncertain = try oracle((x * x).sum() + (x.sum() - x.sum()), [[1e25, 1e-40]])
    #expect(uncertain[0] == Bounded(.infinity))
  }

  @Test func denormalProductsAreOffByHalfADenormal() throws {
    let product = try oracle(input(1) * input(1), [[1e-40]])
    #expect(product[0].error >= 0x1p-150 && product[0].error < 0x1.01p-150)
  }

  static let largeMeans: [[Double]] = [
    (0..<64).map { 10000 + Double($0) * 1e-3 }, (0..<64).map { 1e6 + Double($0 % 2) },
    [Double](repeating: 33333.3, count: 64), (0..<64).map { -3e15 + Double($0) },
  ]

  /// The interval of the squares reaches below 0, the squares do not.
  @Test func rowsWithALargeMeanHaveBounds() throws {
    let x = input(64)
    let centred = x - x.mean()
    let norms = [
      x.layerNorm(), x.layerNorm(semantics: .torch), x.layerNorm(semantics: .paper),
      x.layerNorm(semantics: .onnx), x.layerNorm(semantics: .oneDNN),
      x.layerNorm(range: .scaled), x.groupNorm(groups: 1), (centred * centred).mean().squareRoot(),
      centred.multiplyAdd(centred, .constant(0)).squareRoot().sum(),
      (centred * centred + 0.5).log().sum(), 1 / ((centred * centred).squareRoot() + 1e-3),
      (centred * centred).sum().maximum(.constant(1e-30)).log(),
      x.layerNorm(
        semantics: LayerNormSemantics(centring: .plain, epsilonPlacement: .outside)),
      x.layerNorm(
        semantics: LayerNormSemantics(centring: .plain, epsilonPlacement: .maximum)),
    ]
    for (index, norm) in norms.enumerated() {
      let elements = try oracle(norm, Self.largeMeans)
      #expect(elements.allSatisfy { !$0.isVacuous && !$0.value.isNaN }, "\(index)")
    }
  }

  /// Sums and means over rows of squares.
  @Test func squaresOverRowsAreNotNegative() throws {
    let x = input(2)
    let centred = x - x.mean()
    let sums = [(centred * centred).sumOverRows(), (centred * centred).meanOverRows()]
    let graph = try Kernel("k", outputs: ["sum": sums[0], "mean": sums[1]]).graph()
    let rows = [10000, 10000.001, 1e6, 1e6 + 1, 33333.3, 33333.3]
    let values = try GraphInterpreter.outputs(
      of: graph, rows: 3, inputs: ["x": HostTensor(rows, shape: [3, 2], .f32)])
    for value in values.joined() { #expect(!value.squareRoot().isVacuous && value.low >= 0) }
  }

  /// Whichever is chosen, it is one of two numbers.
  @Test func aChoiceByAnUnknownIsOneOfTwo() throws {
    let x = input(1)
    // 10³⁸ · 3.4 may or may not overflow.
    let unknown = x * 3 / 3 * 3.4028235
    let chosen = try oracle(
      unknown.select(ifGreaterThan: .constant(5), .constant(2), else: .constant(3)), [[1e38]])
    #expect(try oracle(unknown, [[1e38]])[0].isVacuous)
    #expect(chosen[0].error == 1)
  }

  @Test func whatIsNotDerivableStaysUnknown() throws {
    let x = input(2)
    let difference = x.sum() - x.mean() * 2
    // A difference that may be 0 or negative has neither root nor logarithm nor reciprocal.
    for value in [difference.squareRoot(), difference.log(), 1 / difference] {
      #expect(try oracle(value, [[1 / 3.0, 1e8]])[0].isVacuous)
    }
    // Nor does a square's root less than nothing.
    let square = difference * difference - 1e-30
    #expect(try oracle(square.squareRoot(), [[1 / 3.0, 1e8]])[0].isVacuous)
    // A product that only looks like a square may be negative.
    let other = x.sum() - x.mean() * 2.0000002
    #expect(try oracle((difference * other).squareRoot(), [[1 / 3.0, 1e8]])[0].isVacuous)
  }
}

extension BoundedTests {
  /// Random expressions in Float32, step by step, never leave their bounds.
  @Test func boundsAreSound() {
    var generator = SeededGenerator(seed: 0x5eed)
    func random(_ count: Int) -> Int { Int(generator.next() >> 33) % count }
    func number() -> Float {
      switch random(8) {
      case 0: return [0, -0.0, 1, 0x1p-149, 0x1p-126, 3e38, .infinity, -.infinity][random(8)]
      case 1: return Float(bitPattern: UInt32(truncatingIfNeeded: generator.next() >> 16))
      case 2: return 10000 + Float(random(100)) * 1e-3
      default:
        return (Float(random(1 << 24)) / 0x1p23 - 1) * [1, 1e-3, 1e4, 1e-20, 1e18][random(5)]
      }
    }
    var judged = 0
    var floors = 0
    for _ in 0..<20_000 {
      var kernel = (0..<4).map { _ in number() }
      var oracle = kernel.map { Bounded(Double($0)) }
      for _ in 0..<10 {
        let (a, b, c, d) = (
          random(kernel.count), random(kernel.count), random(kernel.count), random(kernel.count)
        )
        let (x, y, z) = (kernel[a], kernel[b], kernel[c])
        let pair: (Float, Bounded)
        switch random(14) {
        case 0: pair = (x + y, oracle[a] + oracle[b])
        case 1: pair = (x - y, oracle[a] - oracle[b])
        case 2: pair = (x * y, oracle[a] * oracle[b])
        case 3: pair = (x * x, oracle[a].squared)
        case 4: pair = (x / y, oracle[a] / oracle[b])
        case 5: pair = (z.addingProduct(x, y), oracle[a].multiplyAdd(oracle[b], oracle[c]))
        case 6:
          pair = (
            z.addingProduct(x, x), oracle[a].multiplyAdd(oracle[a], oracle[c], isSquare: true)
          )
        case 7: pair = (x.squareRoot(), oracle[a].squareRoot())
        case 8:
          pair = (x.isNaN || y.isNaN ? .nan : x > y ? x : y, oracle[a].maximum(oracle[b]))
        case 9:
          pair = (x.isNaN || y.isNaN ? .nan : x < y ? x : y, oracle[a].minimum(oracle[b]))
        case 10: pair = (abs(x), oracle[a].absolute())
        case 11:
          pair = (
            x > y ? z : kernel[d],
            oracle[a].select(ifGreaterThan: oracle[b], oracle[c], else: oracle[d])
          )
        case 12:
          let power: Float =
            x == 0 ? 0 : x.isNaN ? .nan : x.isInfinite ? 0x1p127 : x.binade.magnitude
          pair = (power, oracle[a].binade())
        default:
          pair = (
            Float(DType.f16.rounded(Double(x))), oracle[a].rounded(to: .f16)
          )
        }
        kernel.append(pair.0)
        oracle.append(pair.1)
        let (found, bounded) = pair
        if !found.isNaN, bounded.error > 0 {
          #expect(Double(found) >= bounded.floor, "\(found) is below \(bounded.floor)")
          if bounded.floor > -.infinity, bounded.value - bounded.error < bounded.floor {
            floors += 1
          }
        }
        guard !bounded.isVacuous else { continue }
        judged += 1
        if found.isNaN || bounded.value.isNaN {
          #expect(found.isNaN && bounded.value.isNaN, "\(found), \(bounded)")
        } else if Double(found) != bounded.value {
          #expect(abs(Double(found) - bounded.value) <= bounded.error, "\(found), \(bounded)")
        }
      }
    }
    // The generator reaches what is tested.
    #expect(judged > 100_000 && floors > 1000)
  }
}
