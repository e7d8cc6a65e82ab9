import NormGen
import Testing

/// An expression that computes itself, apart from everything in NormGen.
indirect enum Arithmetic {
  case variable(Int)
  case constant(Float)
  case sum(Arithmetic, Arithmetic)
  case difference(Arithmetic, Arithmetic)
  case product(Arithmetic, Arithmetic)
  case quotient(Arithmetic, Arithmetic)
  case negation(Arithmetic)
  case larger(Arithmetic, Arithmetic)

  init(depth: Int, _ random: inout SeededGenerator) {
    func part() -> Arithmetic { Arithmetic(depth: depth - 1, &random) }
    let leaf = depth == 0 || random.uniform() < 0.15
    switch random.next() % (leaf ? 3 : 12) {
    case 0, 1: self = .variable(Int(random.next() % 3))
    case 2: self = .constant([0.5, -0.25, 3, -2, 1][Int(random.next() % 5)])
    case 3, 4: self = .sum(part(), part())
    case 5, 6: self = .difference(part(), part())
    case 7: self = .product(part(), part())
    case 8, 9: self = .quotient(part(), part())
    case 10: self = .negation(part())
    default: self = .larger(part(), part())
    }
  }

  func value(_ variables: [Float]) -> Float {
    switch self {
    case .variable(let index): variables[index]
    case .constant(let value): value
    case .sum(let left, let right): left.value(variables) + right.value(variables)
    case .difference(let left, let right): left.value(variables) - right.value(variables)
    case .product(let left, let right): left.value(variables) * right.value(variables)
    case .quotient(let left, let right): left.value(variables) / right.value(variables)
    case .negation(let operand): -operand.value(variables)
    case .larger(let left, let right):
      max(left.value(variables), right.value(variables))
    }
  }

  func tensor(_ variables: [Tensor]) -> Tensor {
    switch self {
    case .variable(let index): variables[index]
    case .constant(let value): .constant(value)
    case .sum(let left, let right): left.tensor(variables) + right.tensor(variables)
    case .difference(let left, let right): left.tensor(variables) - right.tensor(variables)
    case .product(let left, let right): left.tensor(variables) * right.tensor(variables)
    case .quotient(let left, let right): left.tensor(variables) / right.tensor(variables)
    case .negation(let operand): -operand.tensor(variables)
    case .larger(let left, let right):
      left.tensor(variables).maximum(right.tensor(variables))
    }
  }
}

/// What the printed text of an expression computes is what the expression computes.
@Suite struct ExpressionTests {
  static let variables: [Float] = [1.5, -0.625, 7]

  /// The oracle's value of output `y` for three inputs of one element.
  private func value(of graph: Graph) throws -> Bounded {
    let inputs = try Dictionary(
      uniqueKeysWithValues: zip(["a", "b", "c"], Self.variables).map {
        ($0, try HostTensor([$1], shape: [1, 1]))
      })
    return try GraphInterpreter.outputs(of: graph, rows: 1, inputs: inputs)[0][0]
  }

  @Test func printedExpressionsEvaluateBack() throws {
    var random = SeededGenerator(seed: 11)
    let inputs = ["a", "b", "c"].map { Tensor.input($0, [.rows, 1], .f32) }
    for _ in 0..<800 {
      let expression = Arithmetic(depth: 6, &random)
      // Every input is used, so that the kernel has the same parameters always.
      let used = inputs.dropFirst().reduce(inputs[0]) { $0.maximum($1) }
      let kernel = Kernel("k", outputs: ["y": expression.tensor(inputs), "used": used])
      guard let graph = try? kernel.graph() else {
        // A constant expression has no rows.
        continue
      }
      let parsed = try GraphParser.graphs(in: "\(graph)")[0]
      #expect(parsed == graph, "\(graph)")
      let found = try value(of: parsed)
      let expected = Double(expression.value(Self.variables))
      if expected.isNaN || found.value.isNaN {
        #expect(expected.isNaN && found.value.isNaN || found.isVacuous, "\(graph)")
      } else if !found.isVacuous, expected != found.value {
        #expect(abs(expected - found.value) <= found.error, "\(graph)")
      }
    }
  }

  static let bindings: [(text: String, value: Double)] = [
    ("a - b - c", -4.875), ("a - (b - c)", 9.125), ("a / b / c", -2.4 / 7),
    ("a / (b / c)", -16.8), ("a + b * c", -2.875), ("(a + b) * c", 6.125), ("-a * b", 0.9375),
    ("-a - -b", -2.125), ("a - -b * c", -2.875), ("2 * a - 1 / b", 4.6), ("--a", 1.5),
    ("a * -0.5", -0.75), ("- 2 * a", -3), ("a-1", 0.5), ("a+1e1-b", 12.125),
  ]

  @Test(arguments: bindings)
  func operatorsBindAsInMathematics(text: String, expected: Double) throws {
    let graph = try GraphParser.graphs(
      in: "kernel k(a: f32[rows, 1], b: f32[rows, 1], c: f32[rows, 1]) {\n  y = \(text)\n"
        + "} -> y, used = a + b + c")[0]
    let found = try value(of: graph)
    #expect(abs(found.value - expected) <= max(found.error, 1e-12))
  }
}
