import NormGen
import Testing

/// Concatenations in the DSL, the graph and the text form: shapes, what is refused, and which copies
/// are left out.
@Suite struct ConcatenationGraphTests {
  let x = Tensor.input("x", [.rows, 8], .bf16)
  let z = Tensor.input("z", [.rows, 6], .bf16)
  let v = Tensor.input("v", [3], .f32)

  private func reason(_ tensor: Tensor) -> GraphError.Reason? {
    do {
      _ = try Kernel("k", tensor).graph()
      return nil
    } catch {
      return error.reason
    }
  }

  private func text(_ tensor: Tensor) throws -> String {
    let graph = try Kernel("k", tensor).graph()
    let text = GraphPrinter.text(of: graph)
    #expect(try GraphParser.graphs(in: text) == [graph], "\(text)")
    return text
  }

  @Test func lastAxesAreAddedAndTypesPromoted() throws {
    let joint = Tensor.concatenate([x, z])
    #expect(joint.shape == Shape(hasRows: true, extents: [14]))
    #expect(joint.storage == .bf16)
    #expect(Tensor.concatenate([v, x]).shape == Shape(hasRows: true, extents: [11]))
    #expect(Tensor.concatenate([v, x]).storage == .f32)
    let heads = Tensor.input("q", [.rows, 2, 3], .f32)
    let table = Tensor.input("t", [2, 5], .f32)
    #expect(Tensor.concatenate([heads, table]).shape == Shape(hasRows: true, extents: [2, 8]))
    let zeros = Tensor.constant(0).leadingPart(5, of: 5)
    #expect(zeros.shape == Shape(hasRows: false, extents: [5]))
    #expect(Tensor.concatenate([x, zeros]).storage == .bf16)
  }

  @Test func partsThatDoNotFitAreRefused() {
    let heads = Tensor.input("q", [.rows, 2, 3], .f32)
    let cases: [(UInt, [Tensor])] = [
      (#line, []), (#line, [v]), (#line, [v, v + 1]), (#line, [x, .constant(0)]),
      (#line, [x, heads]), (#line, [heads, .input("t", [3, 3], .f32)]),
      (#line, [.input("r", [.rows], .f32), x]),
    ]
    for (line, parts) in cases {
      let error = ShapeError.notConcatenable(parts.map(\.shape))
      #expect(reason(.concatenate(parts)) == .shape(error), "line \(line)")
    }
    #expect(
      reason(.concatenate([x, heads]))?.description
        == "values to concatenate must have the same fixed axes but the last, of which each has one, "
        + "and at least one must begin with 'rows'; found [rows, 8] and [rows, 2, 3]")
    let joint = Tensor.concatenate([x, z])
    #expect(
      reason(joint.matmul(.input("w", [14, 2], .bf16), accumulate: .bf16Dot))?.description
        .hasSuffix("found a concatenation") == true)
    #expect(
      reason(x.matmul(joint)) == .shape(.weightsOfOtherRank(Shape(hasRows: true, extents: [14])))
    )
    #expect(reason(.constant(0).leadingPart(6, of: 5)) != nil)
  }

  @Test func errorsNameTheCallersLine() {
    let line: UInt = #line + 1
    let joint = Tensor.concatenate([v, v])
    do {
      _ = try Kernel("k", x * joint.mean()).graph()
      Issue.record("values without rows were concatenated")
    } catch {
      #expect(error.location == SourceLocation(fileID: #fileID, line: line))
    }
  }

  @Test func copiesThatUndoEachOtherAreLeftOut() throws {
    let other = Tensor.input("other", [.rows, 8], .bf16)
    let joint = Tensor.concatenate([x.tanh(), z, v])
    let cases: [(UInt, Tensor, Tensor)] = [
      (#line, .concatenate([x]), x),
      (#line, .concatenate([x.columns(0..<3), x.columns(3..<8)]), x),
      (#line, .concatenate(x.split(into: 4) + [z]), .concatenate([x, z])),
      (#line, .concatenate([x.columns(2..<3), x.columns(3..<5)]), x.columns(2..<5)),
      (#line, joint.columns(0..<8), x.tanh()),
      (#line, joint.columns(9..<12), z.columns(1..<4)),
      (#line, x.columns(1..<7).columns(2..<4), x.columns(3..<5)),
      (#line, .concatenate([.concatenate([x, z]), v]), .concatenate([x, z, v])),
      (
        #line, .concatenate([.concatenate([z, x.columns(0..<3)]), x.columns(3..<8)]),
        .concatenate([z, x])
      ),
      // One input of two declarations is one value.
      (
        #line,
        .concatenate([
          x.columns(0..<4), Tensor.input("x", [.rows, 8], .bf16).columns(4..<8), other,
        ]), .concatenate([x, other])
      ),
    ]
    for (line, long, short) in cases {
      let graphs = try [long, short].map { try Kernel("k", ($0 * 2).stored(as: .f32)).graph() }
      #expect(graphs[0] == graphs[1], "line \(line)")
      _ = try text(long * 2)
    }
  }

  @Test func copiesThatMatterStay() throws {
    let joint = Tensor.concatenate([x.tanh(), z, v])
    #expect(
      try text(joint.columns(6..<10)).contains(
        "y = columns(concatenate(tanh(x), z, v), from: 6, count: 4)"))
    // What stood in each row has none by itself.
    #expect(
      try text(joint.columns(14..<17)).contains(
        "y = columns(concatenate(tanh(x), z, v), from: 14, count: 3)"))
    #expect(
      try text(.concatenate([x.columns(4..<8), x.columns(0..<4)])).contains(
        "y = concatenate(columns(x, from: 4, count: 4), columns(x, from: 0, count: 4))"))
    #expect(
      try text(.concatenate([x, Tensor.constant(0).leadingPart(2, of: 2)])).contains(
        "y = concatenate(x, leading_part(0.0, count: 2, of: 2))"))
  }

  @Test func inputsThatNothingUsesAnyMoreAreNone() throws {
    let graph = try Kernel("k", Tensor.concatenate([x, z]).columns(0..<8).tanh()).graph()
    #expect(graph.inputs.compactMap { graph[$0].inputName } == ["x"])
    let text = """
      kernel k(x: f32[rows, 8], z: f32[rows, 6]) {
        y = tanh(columns(concatenate(x, z), from: 2, count: 4))
      } -> y
      """
    let error = #expect(throws: TextError.self) { try GraphParser.graphs(in: text) }
    #expect(error?.description.contains("no output depends on the input 'z'") == true)
  }

  @Test func verifierKnowsTheRules() throws {
    func verify(_ extents: [Int], _ operands: [Int]) throws(GraphError) {
      let input = Node(
        op: .input(name: "x", storage: .f32), operands: [],
        shape: Shape(hasRows: true, extents: [4]))
      let joint = Node(
        op: .concatenate, operands: operands.map { ValueID($0) },
        shape: Shape(hasRows: true, extents: extents))
      try GraphVerifier.verify(
        Graph(
          name: "k", nodes: [input, joint], inputs: [ValueID(0)],
          outputs: [1, 0].map { Output(name: "y\($0)", value: ValueID($0), storage: .f32) },
          scopes: []))
    }
    #expect(throws: Never.self) { try verify([12], [0, 0, 0]) }
    #expect(throws: GraphError(.malformed("value 1 has 0 operands"), kernel: "k")) {
      try verify([4], [])
    }
    #expect(
      throws: GraphError(
        .malformed("value 1 has shape [rows, 9] instead of [rows, 8]"), kernel: "k")
    ) { try verify([9], [0, 0]) }
  }
}
