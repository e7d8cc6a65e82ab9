import NormGen
import Testing

// What a user's own module may add with the public interface alone: nothing else is imported.

extension Tensor {
  /// Power norm: x · (mean |x|³ + ε)^(−1/3), a norm that NormGen does not have.
  fileprivate func cubicNorm(gain: Tensor, epsilon: Float) -> Tensor {
    Tensor.composed("cubic_norm") {
      let magnitude = absolute()
      let cube = magnitude * magnitude * magnitude
      let meanCube = cube.mean().named("mean_cube")
      let inverse = ((meanCube + epsilon).log() * (-1.0 / 3)).exp().named("inv_root")
      return self * inverse * gain
    }
  }
}

extension Activation {
  /// max(x, 0)².
  fileprivate static let squaredReLU = Activation("squared_relu") { x in
    let positive = x.maximum(.constant(0))
    return positive * positive
  }
}

/// Elementwise kernels one element at a time: slow, and another way to the same bits.
private struct OneByOne: Strategy {
  let name = "one_by_one"
  let summary = "one element at a time"

  func applies(to region: Region, target: Target) -> Bool {
    region.passes.count == 1 && region.passes[0].statistics.isEmpty && region.outerExtents.isEmpty
      && region.graph.outputs.allSatisfy { region.roles[$0.value.index] == .row }
  }

  func lowered(
    _ region: Region, schedule: Schedule, target: Target
  ) throws(PlanError) -> RowProgram {
    let graph = region.graph
    var buffers: [Buffer] = []
    var pointers: [Stmt] = []
    func pointer(_ name: String, _ storage: DType, _ value: ValueID, isOutput: Bool) -> Pointer {
      let shape = region.parameterShapes[name] ?? graph[value].shape
      buffers.append(Buffer(name: name, storage: storage, shape: shape, isOutput: isOutput))
      guard shape.hasRows else { return Pointer(name: name, storage: storage) }
      let pointer = Pointer(name: "\(name)_row", storage: storage)
      pointers.append(
        .pointer(pointer, buffer: name, offset: .variable("row") * .stride(name)))
      return pointer
    }
    var values: [LoopExpr] = []
    for id in graph.values {
      let node = graph[id]
      let operands = node.operands.map { values[$0.index] }
      switch node.op {
      case .input(let name, let storage):
        let place = pointer(name, storage, id, isOutput: false)
        let isRow = region.roles[id.index] == .row
        values.append(.loadScalar(place, at: isRow ? .variable("i") : .constant(0)))
      case .constant(let bits): values.append(.constant(Float(bitPattern: bits)))
      case .elementwise(let op): values.append(.apply(op, operands))
      case .convert(let type): values.append(.rounded(type, operands[0]))
      case .reshape: values.append(operands[0])
      case .matmul, .columns, .concatenate, .leadingPart, .rowSum, .outerSum, .dequantize:
        throw PlanError(
          kernel: graph.name, message: "a row of another length needs another strategy")
      case .statistic:
        throw PlanError(kernel: graph.name, message: "a statistic needs another strategy")
      }
    }
    var body: [Stmt] = []
    for output in graph.outputs {
      let place = pointer(output.name, output.storage, output.value, isOutput: true)
      body.append(.storeScalar(place, at: .variable("i"), values[output.value.index]))
    }
    let loop = Stmt.loop(
      index: "i", from: .constant(0), to: .constant(region.rowExtent), step: 1, body: body)
    return RowProgram(
      name: graph.name, buffers: buffers, lanes: target.lanes, row: pointers + [loop],
      summary: [summary])
  }
}

/// A norm, an activation, a strategy and a function of the text form, defined above and below,
/// taken through every stage.
@Suite struct ExtensionTests {
  /// Compiles, calls and judges a kernel for this machine's best target.
  private func outputs(
    _ graph: Graph, rows: Int, _ compiler: Compiler
  ) throws -> [String: HostTensor] {
    let compiled = try compiler.compile(graph)
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 31)
    let outputs = try compiled(inputs)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
    for (output, expected) in zip(graph.outputs, oracle) {
      let tensor = try #require(outputs[output.name])
      let agreement = Agreement(kernel: tensor, oracle: expected)
      #expect(agreement.passes, "\(agreement)")
      #expect(agreement.count == tensor.count && agreement.vacuous == 0)
    }
    return outputs
  }

  @Test(arguments: DType.allCases)
  func ownNormRunsEndToEnd(type: DType) throws {
    let x = Tensor.input("x", [.rows, 100], type)
    let gain = Tensor.input("gain", [100], .f32)
    let graph = try Kernel("own_norm", x.cubicNorm(gain: gain, epsilon: 0.5)).graph()
    #expect("\(graph)".contains("cubic_norm {"))
    #expect(try GraphParser.graphs(in: "\(graph)") == [graph])
    let found = try outputs(graph, rows: 3, Compiler())
    // Once more by hand, for the first element.
    let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 31)
    let row = try #require(inputs["x"]).doubles.prefix(100)
    let meanCube = row.map { abs($0 * $0 * $0) }.reduce(0, +) / 100
    let factor = try #require(inputs["gain"])[0]
    let expected = (row.first ?? 0) * pow(meanCube + 0.5, -1.0 / 3) * factor
    let y = try #require(found["y"])
    let oracle = try GraphInterpreter.outputs(of: graph, rows: 3, inputs: inputs)
    // The hand's own rounding in Float64 is some hundred times 2⁻⁵³.
    #expect(abs(y[0] - expected) <= oracle[0][0].error + abs(expected) * 0x1p-44)
  }

  /// aᵇ for positive a, without Foundation: by Newton's method on the cube root.
  private func pow(_ base: Double, _ exponent: Double) -> Double {
    #expect(exponent == -1.0 / 3)
    var root = 1.0
    for _ in 0..<80 { root = (2 * root + base / (root * root)) / 3 }
    return 1 / root
  }

  @Test func ownActivationFusesWithANorm() throws {
    let x = Tensor.input("x", [.rows, 77], .bf16)
    let graph = try Kernel("own_activation", x.activated(by: .squaredReLU).rmsNorm()).graph()
    #expect("\(graph)".contains("squared_relu {"))
    #expect(try GraphParser.graphs(in: "\(graph)") == [graph])
    let found = try outputs(graph, rows: 4, Compiler())
    let y = try #require(found["y"])
    #expect(y.doubles.allSatisfy { $0 >= 0 })
    #expect(y.doubles.contains { $0 == 0 })
  }

  @Test func ownActivationBringsItsDerivative() throws {
    let softplus = Activation("softplus", derivative: { $0.sigmoid() }) { x in
      x.maximum(.constant(0)) + ((-x.absolute()).exp() + 1).log()
    }
    let x = Tensor.input("x", [.rows, 8], .f32)
    let gradient = try Kernel("k", x.activated(by: softplus)).gradient().graph()
    #expect(gradient.nodes.filter { $0.op == .elementwise(.sigmoid) }.count == 1)
    #expect(!gradient.nodes.contains { $0.op == .elementwise(.exp) })
  }

  @Test func ownFunctionsAreCalledFromText() throws {
    let functions = [
      TextFunction(.squaredReLU),
      TextFunction("cubic_norm") { arguments throws(TextArgumentError) in
        let x = try arguments.tensor()
        guard let gain = try arguments.tensor("gain") else {
          throw TextArgumentError("'cubic_norm' needs a gain")
        }
        return x.cubicNorm(gain: gain, epsilon: try arguments.number("epsilon") ?? 1)
      },
    ]
    let text = """
      kernel own(x: f32[rows, 64], g: f32[64]) {
        y = cubic_norm(squared_relu(x), gain: g, epsilon: 0.25)
      } -> y
      """
    let graph = try GraphParser.graphs(in: text, functions: functions)[0]
    let x = Tensor.input("x", [.rows, 64], .f32)
    let g = Tensor.input("g", [64], .f32)
    let expected = x.activated(by: .squaredReLU).cubicNorm(gain: g, epsilon: 0.25)
    #expect(try graph == Kernel("own", expected).graph())
    _ = try outputs(graph, rows: 2, Compiler())
    #expect(throws: TextError.self) { try GraphParser.graphs(in: text) }
    let missing = text.replacing(", gain: g, epsilon: 0.25", with: " * g")
    let error = #expect(throws: TextError.self) {
      try GraphParser.graphs(in: missing, functions: functions)
    }
    #expect(error?.message == "'cubic_norm' needs a gain")
    #expect(error?.line == 2)
  }

  @Test func ownStrategyIsChosenAndGivesTheSameBits() throws {
    let x = Tensor.input("x", [.rows, 53], .f16)
    let gain = Tensor.input("gain", [53], .f32)
    let kernel = Kernel(
      "own_strategy",
      outputs: ["y": (x * gain).gelu().rounded(to: .f16), "z": x.maximum(gain) - 0.5])
    var compiler = try Compiler()
    compiler.strategies = [OneByOne()] + Strategies.all
    let lowering = try compiler.lower(kernel)
    #expect(lowering.schedules[0].strategy == "one_by_one")
    #expect(lowering.source.source.contains("one element at a time"))
    let own = try outputs(kernel.graph(), rows: 3, compiler)
    let usual = try outputs(kernel.graph(), rows: 3, Compiler())
    for name in ["y", "z"] { #expect(own[name]?.doubles == usual[name]?.doubles) }
    // Where it does not apply, the next one is chosen; by name it is refused.
    let norm = Kernel("own_norm", x.rmsNorm())
    #expect(try compiler.lower(norm).schedules[0].strategy != "one_by_one")
    compiler.schedule.region = Schedule(strategy: "one_by_one")
    #expect(throws: CompilerError.self) { try compiler.lower(norm) }
  }

  @Test func ownKernelsMakeACatalog() throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let catalog = Catalog([Catalog.Entry(Kernel("own", x.relu()), "mine")])
    #expect(catalog["own"]?.summary == "mine")
    #expect(catalog["other"] == nil)
  }
}
