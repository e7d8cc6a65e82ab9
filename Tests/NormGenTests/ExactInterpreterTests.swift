import NormGen
import NormGenCheck
import NormGenTestSupport
import Testing

/// The exact interpreter is what the numeric contract says, and sees what no bound sees.
@Suite struct ExactInterpreterTests {
  // MARK: Elementary functions

  /// Σ over arguments of (2 · argument + 1) · result bits, NaNs alike, modulo 2⁶⁴.
  private func digest(_ function: ElementaryFunction, _ arguments: some Sequence<UInt32>) -> UInt64
  {
    var digest: UInt64 = 0
    for argument in arguments {
      let value = ExactFunctions.value(function, of: Float(bitPattern: argument))
      let bits = value.isNaN ? 0x7fc0_0000 : value.bitPattern
      digest &+= (2 &* UInt64(argument) &+ 1) &* UInt64(bits)
    }
    return digest
  }

  /// The record's digests are those of the emitted C; this code shares nothing with it.
  @Test(arguments: ElementaryFunction.allCases)
  func functionsHaveTheBitsOfTheRecord(function: ElementaryFunction) throws {
    let errors = try ElementaryErrors.read()
    let entry = try #require(errors.functions.first { $0.function == function.rawValue })
    let starts = stride(from: UInt64(0), to: 1 << 32, by: Int(16 * errors.sample))
    let sample = starts.lazy.flatMap { base in (0..<16).lazy.map { UInt32(base) + $0 } }
    #expect(digest(function, sample) == UInt64(entry.sample_digest, radix: 16))
    guard Targets.sweeps else { return }
    let all = digest(function, UInt32.min...UInt32.max)
    print("\(function): \(String(all, radix: 16)) over all arguments")
    #expect(all == UInt64(entry.digest, radix: 16))
  }

  // MARK: Roundings

  /// Every value of a type, every tie between neighbours and what lies beside the ties.
  @Test(arguments: DType.allCases.filter { $0 != .f32 })
  func roundingsAreToNearest(type: DType) throws {
    let x = Tensor.input("x", [.rows, 1], .f32)
    let graph = try Kernel("k", outputs: [Kernel.Output("y", x, as: type)]).graph()
    var values: [Float] = [.nan, .infinity, -.infinity, .greatestFiniteMagnitude]
    for bits in 0..<UInt32(1) << (8 * type.byteCount) {
      let value = Float(type.value(ofBits: bits))
      guard value.isFinite else { continue }
      values.append(value)
      let tie = Float(Double(value) + type.ulp(at: Double(value)) / 2)
      values += [tie, tie.nextUp, tie.nextDown, -tie]
    }
    let input = try HostTensor(values, shape: [values.count, 1])
    let output = try ExactInterpreter.outputs(of: graph, rows: values.count, inputs: ["x": input])[
      0]
    // The oracle's rounding is written another way, in Float64.
    let expected = try HostTensor(values.map { Double($0) }, shape: [values.count, 1], type)
    #expect(firstDifference(["y": output], ["y": expected]) == nil)
  }

  // MARK: Wrong kernels

  /// The terms of a row are added before they meet the sum so far.
  @Test func termsOfASumAreComputedFirst() throws {
    let graph = try GraphParser.graphs(
      in: """
        kernel sum_of_sum(x: f32[rows, 65], r: f32[rows, 65]) {
          s = sum(x + r)
        } -> s
        """)[0]
    var x = [Float](repeating: 0, count: 65)
    var r = x
    (x[0], x[64], r[64]) = (1, 1e9, -1e9)
    let inputs = [
      "x": try HostTensor(x, shape: [1, 65]), "r": try HostTensor(r, shape: [1, 65]),
    ]
    let exact = try ExactInterpreter.outputs(of: graph, rows: 1, inputs: inputs)[0]
    #expect(exact[0] == 1)
    try Targets.check([Targets.Call(graph: graph, rows: 1, inputs: inputs)], bounded: true)
  }

  /// A computation in another order or with other roundings, whose values lie within the bound.
  struct Mistake: Sendable, CustomTestStringConvertible {
    let name: String
    /// The text form of a kernel with the inputs x and z and the output y.
    let text: String
    let rows: Int
    /// What a wrong kernel writes, from the rows of x and z.
    let wrong: @Sendable (_ x: [[Float]], _ z: [[Float]]) -> [Float]

    var testDescription: String { name }
  }

  /// A sum in blocks, each in partial sums that are combined from the first to the last.
  private static func sum(
    _ terms: [(Float, Float)], block: Int, partials: Int, fused: Bool = true,
    backwards: Bool = false, tree: Bool = false
  ) -> Float {
    var results = stride(from: 0, to: terms.count, by: block).map { first in
      var sums = [Float](repeating: 0, count: partials)
      for i in first..<min(first + block, terms.count) {
        if fused {
          sums[i % partials].addProduct(terms[i].0, terms[i].1)
        } else {
          sums[i % partials] += terms[i].0 * terms[i].1
        }
      }
      guard tree else { return sums.dropFirst().reduce(sums[0], +) }
      while sums.count > 1 {
        sums = (0..<sums.count / 2).map { sums[$0] + sums[$0 + sums.count / 2] }
      }
      return sums[0]
    }
    if backwards { results.reverse() }
    return results.dropFirst().reduce(results[0], +)
  }

  private static func rowwise(
    _ factor: @escaping @Sendable ([Float], [Float]) -> [(Float, Float)],
    _ sum: @escaping @Sendable ([(Float, Float)]) -> Float
  ) -> @Sendable ([[Float]], [[Float]]) -> [Float] {
    { x, z in zip(x, z).map { sum(factor($0, $1)) } }
  }

  private static let products: @Sendable ([Float], [Float]) -> [(Float, Float)] = {
    Array(zip($0, $1))
  }
  private static let plain: @Sendable ([Float], [Float]) -> [(Float, Float)] = { x, _ in
    x.map { ($0, 1) }
  }

  static let mistakes: [Mistake] = {
    var all: [Mistake] = []
    func add(
      _ name: String, _ body: String, extent: Int, rows: Int = 5,
      _ wrong: @escaping @Sendable ([[Float]], [[Float]]) -> [Float]
    ) {
      let text = """
        kernel k(x: f32[rows, \(extent)], z: f32[rows, \(extent)]) {
          y = \(body)
        } -> y
        """
      all.append(Mistake(name: name, text: text, rows: rows, wrong: wrong))
    }
    // Each sum runs over several blocks of its order.
    add(
      "reassociated sum", "sum(x + z * 0.0)", extent: 9000,
      rowwise(plain) {
        sum($0, block: 4096, partials: 32, tree: true)
      })
    add(
      "other order of blocks, sum", "sum(x + z * 0.0)", extent: 13000,
      rowwise(plain) {
        sum($0, block: 4096, partials: 64, backwards: true, tree: true)
      })
    add(
      "two roundings for one, sum", "sum(x * z)", extent: 300,
      rowwise(products) {
        sum($0, block: 4096, partials: 64, fused: false, tree: true)
      })
    add(
      "reassociated mean", "mean(x * z)", extent: 1024,
      rowwise(products) {
        sum($0, block: 4096, partials: 64) / 1024
      })
    add(
      "two roundings for one, mean", "mean(x * z)", extent: 1024,
      rowwise(products) {
        sum($0, block: 4096, partials: 64, fused: false, tree: true) / 1024
      })
    add(
      "other order of blocks, mean", "mean(x * z)", extent: 16384,
      rowwise(products) {
        sum($0, block: 4096, partials: 64, backwards: true, tree: true) / 16384
      })
    return all
  }()

  private func judged(
    _ text: String, rows: Int, _ wrong: ([[Float]], [[Float]]) -> [Float]
  ) throws -> Judgement {
    let graph = try GraphParser.graphs(in: text)[0]
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 11)
    func values(_ name: String) throws -> [[Float]] {
      let tensor = try #require(inputs[name])
      let extent = tensor.count / tensor.shape[0]
      return (0..<tensor.shape[0]).map { row in
        (0..<extent).map { Float(tensor[row * extent + $0]) }
      }
    }
    let result = wrong(try values("x"), try values("z"))
    let reference = try ReferenceOutputs(of: graph, rows: rows, inputs: inputs)
    let shape = graph[graph.outputs[0].value].shape.extents(rows: rows)
    return reference.judgement(of: try HostTensor(result, shape: shape), output: 0)
  }

  @Test(arguments: mistakes)
  func mistakesWithinTheBoundAreSeenByBits(mistake: Mistake) throws {
    let judgement = try judged(mistake.text, rows: mistake.rows, mistake.wrong)
    #expect(judgement.bound.passes)
    #expect(!judgement.exact.passes)
  }

  /// The right order, written once more, has the exact bits: the mistakes are seen for what they are.
  @Test func theRightOrderHasTheExactBits() throws {
    let sums = Self.rowwise(Self.products) {
      Self.sum($0, block: 4096, partials: 64, tree: true)
    }
    let text = """
      kernel k(x: f32[rows, 13000], z: f32[rows, 13000]) {
        y = sum(x * z)
      } -> y
      """
    #expect(try judged(text, rows: 5, sums).passes)
    let (product, overRows) = Self.orders()
    #expect(try judged(Self.productText, rows: 3, product(512, true, false)).passes)
    #expect(try judged(Self.gradientText, rows: 600, overRows(256, true, false)).passes)
  }

  static let productText = """
    kernel k(x: f32[rows, 1300], z: f32[1300, 7]) {
      y = matmul(x, z)
    } -> y
    """
  /// The gradient of a gain is a sum over rows of products.
  static let gradientText = """
    kernel k(x: f32[rows, 5], z: f32[rows, 5]) {
      y = sum_rows(x * z)
    } -> y
    """

  typealias Order = (
    _ block: Int, _ fused: Bool, _ backwards: Bool
  ) -> ([[Float]], [[Float]]) -> [Float]

  /// Products with weights, and sums over rows, in blocks with one chain each.
  static func orders() -> (product: Order, overRows: Order) {
    let product: Order = { block, fused, backwards in
      { x, w in
        x.flatMap { row in
          w[0].indices.map { column in
            sum(
              row.indices.map { (row[$0], w[$0][column]) }, block: block, partials: 1, fused: fused,
              backwards: backwards)
          }
        }
      }
    }
    let overRows: Order = { block, fused, backwards in
      { x, z in
        x[0].indices.map { column in
          sum(
            x.indices.map { (x[$0][column], z[$0][column]) }, block: block, partials: 1,
            fused: fused, backwards: backwards)
        }
      }
    }
    return (product, overRows)
  }

  @Test(arguments: [(256, true, false), (512, false, false), (512, true, true)])
  func wrongOrdersOfProductsAreSeenByBits(block: Int, fused: Bool, backwards: Bool) throws {
    let wrong = Self.orders().product(block, fused, backwards)
    let judgement = try judged(Self.productText, rows: 3, wrong)
    #expect(judgement.bound.passes && !judgement.exact.passes)
  }

  @Test(arguments: [(128, true, false), (256, false, false), (256, true, true)])
  func wrongOrdersOverRowsAreSeenByBits(block: Int, fused: Bool, backwards: Bool) throws {
    let wrong = Self.orders().overRows(block, fused, backwards)
    let judgement = try judged(Self.gradientText, rows: 600, wrong)
    #expect(judgement.bound.passes && !judgement.exact.passes)
  }
}
