import NormGen
import NormGenLoopInterpreter
import NormGenLowering
import NormGenTestSupport
import Testing

@testable import NormGenC

/// Printed C computes what the loops say, wherever an expression stands.
@Suite struct ExpressionTests {
  static let native = Target.general.filter { HostCPU.current.supports($0) }

  /// A graph with the signature of random loops.
  private func signature(_ name: String) throws -> Graph {
    let row = Shape(hasRows: true, extents: [80])
    let one = Shape(hasRows: true, extents: [1])
    func input(_ name: String, _ shape: Shape) -> Node {
      Node(op: .input(name: name, storage: .f32), operands: [], shape: shape)
    }
    func ids(_ numbers: Int...) -> [ValueID] { numbers.map { ValueID($0) } }
    return Graph(
      name: name,
      nodes: [
        input("a", row), input("b", row), input("w", Shape(hasRows: false, extents: [80])),
        input("s", one), Node(op: .elementwise(.add), operands: ids(0, 1), shape: row),
        Node(op: .elementwise(.multiply), operands: ids(4, 2), shape: row),
        Node(op: .elementwise(.negate), operands: ids(3), shape: one),
      ], inputs: ids(0, 1, 2, 3),
      outputs: [
        Output(name: "y", value: ValueID(5), storage: .f32),
        Output(name: "h", value: ValueID(5), storage: .bf16),
        Output(name: "t", value: ValueID(6), storage: .f32),
      ], scopes: [])
  }

  @Test(arguments: native)
  func everyStatementComputesItsExpressions(target: Target) throws {
    let rows = 3
    var judged = 0
    for seed in 0..<30 as Range<UInt64> {
      let name = "loops_\(seed)"
      let kernel = RandomLoops.kernel(seed: seed, lanes: target.lanes, name: name)
      try LoopVerifier.verify(kernel)
      let graph = try signature(name)
      let module = FunctionLowering.module(
        of: LoopProgram(kernel), target: target, schedules: [])
      let source = try CEmitter.source(
        of: module, program: LoopProgram(kernel), graph: graph, target: target, schedules: [],
        command: "none")
      let inputs = try inputs(of: kernel, rows: rows, seed: seed)
      let expected = try LoopInterpreter.outputs(
        of: module, rows: rows, inputs: inputs)
      let compiler = Compiler(target: target)
      let compiled = try compiler.compile(compiler.lower(graph), source: source.source)
      let outputs = try compiled(inputs)
      for output in kernel.buffers where output.isOutput {
        let tensor = try #require(outputs[output.name])
        let expected = try #require(expected[output.name])
        let difference = tensor.firstDifference(from: expected)
        #expect(difference == nil, "seed \(seed), '\(output.name)': \(difference ?? "")")
        judged += expected.doubles.filter(\.isFinite).count
      }
    }
    // Half of the values are numbers, so that the bits mean something.
    #expect(judged > 30 * rows * 80)
  }

  /// Random inputs.
  private func inputs(
    of kernel: RowProgram, rows: Int, seed: UInt64
  ) throws -> [String: HostTensor] {
    var random = SeededGenerator(seed: seed)
    var inputs: [String: HostTensor] = [:]
    for buffer in kernel.buffers where !buffer.isOutput {
      let shape = buffer.shape.extents(rows: rows)
      // Magnitudes far apart, so that another grouping shows.
      let elements = (0..<shape.reduce(1, *)).map { _ in
        Float(random.normal()) * [1, 1, 1e4, 1e-3][Int(random.next() % 4)]
      }
      inputs[buffer.name] = try HostTensor(elements, shape: shape)
    }
    return inputs
  }

  // MARK: The printer alone

  @Test func parenthesesStandWhereGroupsNeedThem() {
    let (a, b, c) = (CTerm.name("a"), CTerm.name("b"), CTerm.name("c"))
    let cases: [(CTerm, String)] = [
      (a + (b + c), "a + (b + c)"), (a + b + c, "a + b + c"), (a - (b - c), "a - (b - c)"),
      (a * (b * c), "a * (b * c)"), (a / (b / c), "a / (b / c)"), (a + b * c, "a + b * c"),
      ((a + b) * c, "(a + b) * c"), (-(a + b), "-(a + b)"), (-(-a), "-(-a)"),
      (-CTerm.literal(-1), "-(-1.0f)"), (a - .literal(-1), "a - -1.0f"),
      ((a > b).choosing(a, b) + c, "(a > b ? a : b) + c"),
      ((a > b).choosing((a < b).choosing(a, c), b), "a > b ? (a < b ? a : c) : b"),
      ((a | b) % c == .number(0), "(a | b) % c == 0"), ((a + b).cast(to: "int"), "(int)(a + b)"),
      (a.displaced(by: b + c), "a + b + c"), ((a + b)[c], "(a + b)[c]"),
      (CTerm.literal(-.infinity), "-__builtin_inff()"), (.number(-1) * a, "-1 * a"),
    ]
    for (term, text) in cases { #expect(term.text == text) }
  }

  /// However deep a line stands, breaking it ends and loses nothing.
  @Test(arguments: [0, 10, 30, 45, 49, 50, 60, 500])
  func linesAreBrokenAtAnyDepth(depth: Int) {
    let sum = (0..<40).map { "load_f32(x_row + i + p * \($0))" }.joined(separator: " + ")
    for line in [sum + ";", "f(" + String(repeating: "a", count: 300) + ");", "", "(((((("] {
      let lines = CLayout.wrapped(line, depth: depth)
      let joined = lines.joined().filter { $0 != " " }
      #expect(joined == line.filter { $0 != " " })
    }
  }
}
