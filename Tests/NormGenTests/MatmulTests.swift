import NormGen
import Testing

/// The oracle's matmul against a literal chain in Float32, the textbook and its own mistakes.
@Suite struct MatmulTests {
  /// A matmul of one kernel and its inputs.
  struct Case: Sendable, CustomTestStringConvertible {
    let terms: Int
    let columns: Int
    var rows = 3
    var outer: [Int] = []
    var layout = Matmul.WeightLayout.inOut
    var value = DType.f32
    var weights = DType.f32

    var testDescription: String {
      "\(rows) × \(outer) × \(terms) → \(columns), \(value) \(weights) \(layout.rawValue)"
    }

    var weightExtents: [Int] {
      switch layout {
      case .inOut: [terms, columns]
      case .outIn: [columns, terms]
      }
    }

    func graph(layout: Matmul.WeightLayout? = nil) throws -> Graph {
      let x = Tensor.input("x", [.rows] + (outer + [terms]).map { .fixed($0) }, value)
      let w = Tensor.input("w", weightExtents.map { .fixed($0) }, weights)
      return try Kernel(
        "k", outputs: [Kernel.Output("y", x.matmul(w, layout: layout ?? self.layout), as: .f32)]
      ).graph()
    }

    static let all: [Case] = [
      Case(terms: 1, columns: 1), Case(terms: 2, columns: 3), Case(terms: 7, columns: 5),
      Case(terms: 511, columns: 17), Case(terms: 512, columns: 64),
      Case(terms: 513, columns: 65, layout: .outIn), Case(terms: 1027, columns: 130, rows: 7),
      Case(terms: 300, columns: 37, layout: .outIn, value: .bf16, weights: .bf16),
      Case(terms: 600, columns: 20, value: .f32, weights: .bf16),
      Case(terms: 96, columns: 33, outer: [4], value: .f16, weights: .f16),
      Case(terms: 64, columns: 24, outer: [2, 3], layout: .outIn),
    ]
  }

  private func inputs(_ graph: Graph, _ rows: Int) throws -> [String: HostTensor] {
    try RandomInputs.tensors(for: graph, rows: rows, seed: 17)
  }

  /// The canonical order in Float32, element by element.
  private func chain(_ test: Case, _ inputs: [String: HostTensor], terms: Int? = nil) -> [Float] {
    guard let x = inputs["x"], let w = inputs["w"] else { return [] }
    var result: [Float] = []
    for row in 0..<(test.rows * test.outer.reduce(1, *)) {
      for column in 0..<test.columns {
        var total: Float = 0
        for start in stride(from: 0, to: test.terms, by: 512) {
          var sum: Float = 0
          for k in start..<min(start + 512, terms ?? test.terms) {
            let weight =
              switch test.layout {
              case .inOut: w[k * test.columns + column]
              case .outIn: w[column * test.terms + k]
              }
            sum = sum.addingProduct(Float(x[row * test.terms + k]), Float(weight))
          }
          total = start == 0 ? sum : total + sum
        }
        result.append(total)
      }
    }
    return result
  }

  private func agreement(_ values: [Float], _ oracle: [Bounded]) throws -> Agreement {
    Agreement(kernel: try HostTensor(values, shape: [values.count]), oracle: oracle)
  }

  @Test(arguments: Case.all)
  func canonicalChainLiesInTheBound(test: Case) throws {
    let graph = try test.graph()
    let inputs = try inputs(graph, test.rows)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: test.rows, inputs: inputs)[0]
    let result = try agreement(chain(test, inputs), oracle)
    #expect(result.passes && result.vacuous == 0, "\(result)")
    #expect(result.count == test.rows * test.outer.reduce(1, *) * test.columns)
    // The bound is no more than what rounding every partial sum could cost at its magnitude.
    let steps = Double(test.terms)
    for bounded in oracle { #expect(bounded.error <= steps * steps.squareRoot() * 0x1p-23) }
  }

  @Test(arguments: Case.all)
  func oracleIsTheTextbooks(test: Case) throws {
    let graph = try test.graph()
    let inputs = try inputs(graph, test.rows)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: test.rows, inputs: inputs)[0]
    let x = try #require(inputs["x"]).doubles
    let w = try #require(inputs["w"]).doubles
    let matrix = Textbook.rows(of: w, extent: test.weightExtents[1])
    let rows = Textbook.rows(of: x, extent: test.terms)
    let expected = rows.flatMap { row in
      switch test.layout {
      case .inOut: Textbook.product(row, matrix: matrix)
      case .outIn: Textbook.linear(row, matrix)
      }
    }
    try #require(expected.count == oracle.count)
    for (value, bounded) in zip(expected, oracle) {
      // Both are Float64 sums of the same products.
      let evaluation = Double(test.terms) * 0x1p-50
      #expect(abs(value - bounded.value) <= bounded.error + evaluation)
      #expect(abs(value - bounded.value) <= Double(test.terms) * 0x1p-30)
    }
  }

  // MARK: Mistakes

  @Test(arguments: Case.all.filter { $0.terms > 2 })
  func droppedProductIsCaught(test: Case) throws {
    let graph = try test.graph()
    let inputs = try inputs(graph, test.rows)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: test.rows, inputs: inputs)[0]
    #expect(try !agreement(chain(test, inputs, terms: test.terms - 1), oracle).passes)
  }

  @Test(arguments: [7, 64, 513])
  func otherLayoutIsCaught(extent: Int) throws {
    let test = Case(terms: extent, columns: extent)
    let graph = try test.graph()
    let inputs = try inputs(graph, test.rows)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: test.rows, inputs: inputs)[0]
    var transposed = test
    transposed.layout = .outIn
    #expect(try !agreement(chain(transposed, inputs), oracle).passes)
  }

  @Test func missingLastColumnIsCaught() throws {
    let test = Case(terms: 40, columns: 9)
    let graph = try test.graph()
    let inputs = try inputs(graph, test.rows)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: test.rows, inputs: inputs)[0]
    var values = chain(test, inputs)
    for row in 0..<test.rows { values[row * test.columns + test.columns - 1] = 0 }
    #expect(try agreement(values, oracle).failures == test.rows)
  }

  // MARK: Special values

  private func evaluate(_ x: [Double], _ w: [Double]) throws -> Bounded {
    let test = Case(terms: x.count, columns: 1, rows: 1)
    let inputs = [
      "x": try HostTensor(x, shape: [1, x.count], .f32),
      "w": try HostTensor(w, shape: [x.count, 1], .f32),
    ]
    let oracle = try GraphInterpreter.outputs(of: test.graph(), rows: 1, inputs: inputs)[0][0]
    let kernel = chain(test, inputs)[0]
    let isHeld =
      kernel.isNaN
      ? oracle.value.isNaN
      : Double(kernel) == oracle.value || abs(Double(kernel) - oracle.value) <= oracle.error
    #expect(isHeld || oracle.isVacuous, "\(x) · \(w): \(kernel), \(oracle)")
    return oracle
  }

  @Test func specialValuesTakeTheChainsClass() throws {
    let big = 0x1.8p127
    #expect(try evaluate([.infinity, 1], [1, 1]) == Bounded(.infinity))
    #expect(try evaluate([.nan, 1], [1, 1]).value.isNaN)
    #expect(try evaluate([.infinity, 1], [0, 1]).value.isNaN)
    #expect(try evaluate([.infinity, -.infinity], [1, 1]).value.isNaN)
    #expect(try evaluate([big, big, 1], [1, 1, 1]) == Bounded(.infinity))
    // A chain that overflows on its way stays infinite, whatever follows.
    #expect(try evaluate([big, big, -big], [1, 1, 1]) == Bounded(.infinity))
    #expect(try evaluate([big, -big, 3], [1, 1, 1]) == Bounded(3))
    #expect(try evaluate([0x1p-149, 0x1p-149], [1, 0.5]).error <= 0x1p-149)
    #expect(try evaluate([1, 1, 0x1p-24], [1, 1, 1]).error > 0)
  }

  @Test func sumsThatFitAreExact() throws {
    let test = Case(terms: 1024, columns: 5, value: .bf16, weights: .bf16)
    let x = (0..<1024).map { Double($0 % 17) - 8 }
    let w = (0..<(1024 * 5)).map { Double($0 % 13) - 6 }
    let inputs = [
      "x": try HostTensor(x + x + x, shape: [3, 1024], .bf16),
      "w": try HostTensor(w, shape: [1024, 5], .bf16),
    ]
    let oracle = try GraphInterpreter.outputs(of: test.graph(), rows: 3, inputs: inputs)[0]
    #expect(oracle == chain(test, inputs).map { Bounded(Double($0)) })
  }

  @Test func noRowsGiveNoElements() throws {
    let graph = try Case(terms: 8, columns: 4).graph()
    let inputs = try inputs(graph, 0)
    #expect(try GraphInterpreter.outputs(of: graph, rows: 0, inputs: inputs) == [[]])
  }

  @Test func weightsThatAreReadTwiceAreKept() throws {
    // The weights' mean scales the product, so they are more than weights.
    let x = Tensor.input("x", [.rows, 4], .f32)
    let w = Tensor.input("w", [4, 1], .f32)
    let graph = try Kernel(
      "k",
      outputs: [
        Kernel.Output("y", x.matmul(w) * w.mean().reshaped([1, 4]).mean().reshaped([1]), as: .f32)
      ]
    ).graph()
    let inputs = [
      "x": try HostTensor([1, 2, 3, 4], shape: [1, 4]),
      "w": try HostTensor([1, 1, 2, 4], shape: [4, 1]),
    ]
    #expect(
      try GraphInterpreter.outputs(of: graph, rows: 1, inputs: inputs) == [[Bounded(50)]])
  }

  @Test func randomWeightsKeepTheDeviationOfTheRows() throws {
    let test = Case(terms: 1024, columns: 64, rows: 8)
    let graph = try test.graph()
    let inputs = try inputs(graph, test.rows)
    func deviation(_ values: [Double]) -> Double {
      let mean = values.reduce(0, +) / Double(values.count)
      let squares = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
      return (squares / Double(values.count)).squareRoot()
    }
    // Eight times the deviation of the estimate itself.
    let weights = deviation(try #require(inputs["w"]).doubles) * 32
    #expect(abs(weights - 1) < 8 / Double(2 * 65536).squareRoot())
    let oracle = try GraphInterpreter.outputs(of: graph, rows: test.rows, inputs: inputs)[0]
    #expect(abs(deviation(oracle.map(\.value)) - 1) < 8 / Double(2 * oracle.count).squareRoot())
  }
}
