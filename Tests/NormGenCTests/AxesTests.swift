import NormGen
import NormGenTestSupport
import Testing

/// Shapes have a stated number of axes: up to it kernels compile and are right, beyond it the shape is
/// refused.
@Suite struct AxesTests {
  private func text(axes: Int) -> String {
    let extents = (1..<axes).map { $0 > axes - 5 ? "2" : "1" }.joined(separator: ", ")
    return """
      kernel axes(x: f32[rows, \(extents)], gain: f32[2]) {
        y = layer_norm(x * gain + (x - gain), epsilon: 1e-5)
      } -> y
      """
  }

  @Test func mostAxesGiveTheBitsOfFew() throws {
    let few = try #require(try GraphParser.graphs(in: text(axes: 5)).first)
    let many = try #require(try GraphParser.graphs(in: text(axes: Shape.mostAxes)).first)
    #expect(many[many.inputs[0]].shape.extents.count == 31)
    let inputs = try RandomInputs.tensors(for: few, rows: 3, seed: 2)
    for target in Target.general where HostCPU.current.supports(target) {
      let compiler = Compiler(target: target)
      let expected = try #require(try compiler.compile(few)(inputs)["y"])
      var same: [String: HostTensor] = [:]
      for id in many.inputs {
        let name = many[id].inputName ?? ""
        let input = try #require(inputs[name])
        same[name] = try HostTensor(
          input.doubles, shape: many[id].shape.extents(rows: 3), input.storage)
      }
      let found = try #require(try compiler.compile(many)(same)["y"])
      #expect(found.bits == expected.bits)
    }
  }

  @Test(arguments: [33, 49, 50, 200, 5000])
  func moreAxesAreRefused(axes: Int) throws {
    let error = #expect(throws: TextError.self) { try GraphParser.graphs(in: text(axes: axes)) }
    #expect(error?.line == 1)
    let message = "a shape has at most 32 axes, 'rows' included, found \(axes)"
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    let x = Tensor.input("x", [.rows, 4], .f32)
    let reshaped = x.reshaped([.rows] + [Extent](repeating: 1, count: axes - 2) + [4])
    let refused = #expect(throws: GraphError.self) { try Kernel("k", reshaped).graph() }
    #expect(refused?.reason == .shape(.tooManyAxes(axes, limit: 32)))
  }

  /// A graph made without the DSL is refused by its verifier.
  @Test func verifierRefusesMoreAxes() {
    let shape = Shape(hasRows: true, extents: [Int](repeating: 1, count: 32))
    let graph = Graph(
      name: "k",
      nodes: [
        Node(op: .input(name: "x", storage: .f32), operands: [], shape: shape),
        Node(op: .elementwise(.negate), operands: [ValueID(0)], shape: shape),
      ], inputs: [ValueID(0)],
      outputs: [Output(name: "y", value: ValueID(1), storage: .f32)], scopes: [])
    let error = #expect(throws: GraphError.self) { try GraphVerifier.verify(graph) }
    #expect(error?.reason == .shape(.tooManyAxes(33, limit: 32)))
  }
}
