import NormGen
import Testing

/// Matmuls in the DSL, the graph and the text form: shapes, and what is refused.
@Suite struct MatmulGraphTests {
  let x = Tensor.input("x", [.rows, 64], .bf16)
  let w = Tensor.input("w", [64, 96], .bf16)

  private func reason(_ tensor: Tensor) -> GraphError.Reason? {
    do {
      _ = try Kernel("k", tensor).graph()
      return nil
    } catch {
      return error.reason
    }
  }

  @Test func lastAxisBecomesTheWeightsOtherAxis() throws {
    let transposed = Tensor.input("t", [96, 64], .f32)
    let heads = Tensor.input("q", [.rows, 2, 3, 64], .f32)
    #expect(x.matmul(w).shape == Shape(hasRows: true, extents: [96]))
    #expect(
      x.matmul(transposed, layout: .outIn).shape == Shape(hasRows: true, extents: [96]))
    #expect(heads.matmul(w).shape == Shape(hasRows: true, extents: [2, 3, 96]))
    #expect(reason(heads.matmul(w).matmul(transposed)) == nil)
    let graph = try Kernel("k", x.matmul(transposed, layout: .outIn)).graph()
    #expect(graph.nodes.last?.op == .matmul(Matmul(layout: .outIn)))
  }

  @Test func storageIsThePromotionOfTheOperands() throws {
    let single = Tensor.input("w", [64, 96], .f32)
    #expect(x.matmul(w).storage == .bf16)
    #expect(x.matmul(single).storage == .f32)
    #expect((x * x.mean()).matmul(w).storage == .bf16)
  }

  @Test func operandsThatDoNotFitAreRefused() {
    let short = Tensor.input("w", [63, 96], .f32)
    let cases: [(UInt, Tensor, ShapeError, String)] = [
      (
        #line, x.matmul(short),
        .weightsDoNotFit(Shape(hasRows: false, extents: [63, 96]), .inOut, rowExtent: 64),
        "weights of shape [63, 96] (in, out) must have first extent 64, the last of the value they "
          + "multiply; found 63"
      ),
      (
        #line, x.matmul(w, layout: .outIn),
        .weightsDoNotFit(Shape(hasRows: false, extents: [64, 96]), .outIn, rowExtent: 64),
        "weights of shape [64, 96] (out, in) must have last extent 64, as the value they multiply; "
          + "found 96"
      ),
      (
        #line, x.matmul(.input("w", [.rows, 64], .f32)),
        .weightsOfOtherRank(Shape(hasRows: true, extents: [64])),
        "the weights of a matmul must have two fixed axes and no rows, found shape [rows, 64]"
      ),
      (
        #line, x.matmul(.input("w", [.rows, 64, 96], .f32)),
        .weightsOfOtherRank(Shape(hasRows: true, extents: [64, 96])), "found shape [rows, 64, 96]"
      ),
      (
        #line, x.matmul(.input("w", [64], .f32)),
        .weightsOfOtherRank(Shape(hasRows: false, extents: [64])), "found shape [64]"
      ),
      (
        #line, x.matmul(.input("w", [2, 64, 96], .f32)),
        .weightsOfOtherRank(Shape(hasRows: false, extents: [2, 64, 96])), "shape [2, 64, 96]"
      ),
      (
        #line, x.matmul(.constant(2)), .weightsOfOtherRank(.scalar), "found shape []"
      ),
      (
        #line, Tensor.input("v", [64], .f32).matmul(w),
        .noMatrixRow(Shape(hasRows: false, extents: [64])),
        "a matmul needs a value whose shape is 'rows' and at least one fixed axis, found [64]"
      ),
      (
        #line, Tensor.input("v", [.rows], .f32).matmul(w),
        .noMatrixRow(Shape(hasRows: true, extents: [])), "found [rows]"
      ),
    ]
    for (line, tensor, error, message) in cases {
      #expect(reason(tensor) == .shape(error), "line \(line)")
      #expect(error.description.contains(message), "\(error)")
    }
  }

  @Test func errorsNameTheCallersLine() {
    let cases: [(UInt, Tensor)] = [
      (#line, x.matmul(.input("w", [63, 96], .f32))),
      (#line, x.matmul(.input("w", [64, 96], .i8))),
      (#line, (x + 1).matmul(w, accumulate: .bf16Dot)),
    ]
    for (line, tensor) in cases {
      #expect(
        throws: GraphError.self, "line \(line)"
      ) { try Kernel("k", tensor.rmsNorm()).graph() }
      do {
        _ = try Kernel("k", tensor.rmsNorm()).graph()
      } catch {
        #expect(error.location == SourceLocation(fileID: #fileID, line: line))
      }
    }
  }

  @Test func weightsMayBeComputed() throws {
    let integers = Tensor.input("w", [64, 96], .i8)
    let flat = Tensor.input("w", [6144], .f32).reshaped([64, 96])
    for weights in [
      w + 1, w.rounded(to: .f16), flat, integers * .input("scale", [96], .f32),
      integers * .input("scale", [64, 1], .f32), w / (w * w).sum().squareRoot(),
    ] {
      #expect(reason(x.matmul(weights)) == nil)
    }
    // What rows are multiplied by has none of its own.
    let rows = Tensor.input("u", [.rows, 96], .f32)
    #expect(
      reason(x.matmul(w * rows)) == .shape(.notBroadcastable(w.shape, rows.shape))
        || reason(x.matmul(rows))
          == .shape(.weightsOfOtherRank(Shape(hasRows: true, extents: [96])))
    )
  }

  @Test func computedWeightsOfADotProductHoldBF16() throws {
    let value = x.rounded(to: .bf16)
    let half = Tensor.input("w", [64, 96], .bf16)
    #expect(reason(value.matmul((w * 2).rounded(to: .bf16), accumulate: .bf16Dot)) == nil)
    #expect(
      reason(value.matmul(half * 2, accumulate: .bf16Dot))
        == .matmul(.weightsNotBF16(found: .elementwise(.multiply))))
    #expect(
      reason(value.matmul(half * 2, accumulate: .bf16Dot))?.description
        == "the weights of a bf16 dot product must hold bf16 values, an input stored as bf16 or "
        + "weights after `.rounded(to: .bf16)`, written bf16(w) in the text form; found the result of "
        + "'multiply'")
  }

  @Test func integerWeightsAreRefusedAndIntegerRowsAreNot() throws {
    let integers = Tensor.input("w", [64, 96], .i8)
    #expect(reason(x.matmul(integers)) == .matmul(.integerWeights(.i8)))
    #expect(
      reason(x.matmul(.input("w", [64, 96], .u8))) == .matmul(.integerWeights(.u8)))
    #expect(
      reason(x.matmul(integers))?.description
        == "the weights of a matmul must be f32, bf16, f16, f8_e4m3 or f8_e5m2, found i8; give integers their "
        + "meaning by multiplying them with their scale")
    for weights in [
      integers.reshaped([64, 96]), (w * 2).rounded(to: .i8),
      Tensor.input("w", [64, 100], .i8).columns(4..<100),
    ] {
      #expect(reason(x.matmul(weights)) == .matmul(.integerWeights(.i8)))
    }
    #expect(reason(Tensor.input("x", [.rows, 64], .i8).matmul(w)) == nil)
  }

  // MARK: The verifier on graphs that the DSL does not make

  private func verify(_ nodes: [Node]) throws(GraphError) {
    let inputs = nodes.indices.filter { nodes[$0].inputName != nil }.map { ValueID($0) }
    try GraphVerifier.verify(
      Graph(
        name: "k", nodes: nodes, inputs: inputs,
        outputs: [Output(name: "y", value: ValueID(nodes.count - 1), storage: .f32)], scopes: []))
  }

  private func input(_ name: String, _ extents: [Int], rows: Bool, _ storage: DType = .f32) -> Node
  {
    Node(
      op: .input(name: name, storage: storage), operands: [],
      shape: Shape(hasRows: rows, extents: extents))
  }

  private func matmul(
    _ operands: [Int], _ extents: [Int], _ accumulation: Matmul.Accumulation = .fused
  ) -> Node {
    Node(
      op: .matmul(Matmul(accumulation: accumulation)), operands: operands.map { ValueID($0) },
      shape: Shape(hasRows: true, extents: extents))
  }

  @Test func verifierKnowsTheRules() throws {
    let x = input("x", [4], rows: true)
    let w = input("w", [4, 6], rows: false)
    #expect(throws: Never.self) { try verify([x, w, matmul([0, 1], [6])]) }
    #expect(throws: GraphError(.malformed("value 1 has 1 operands"), kernel: "k")) {
      try verify([x, matmul([0], [6])])
    }
    #expect(
      throws: GraphError(
        .malformed("value 2 has shape [rows, 7] instead of [rows, 6]"), kernel: "k")
    ) { try verify([x, w, matmul([0, 1], [7])]) }
    let negated = Node(
      op: .elementwise(.negate), operands: [ValueID(1)],
      shape: Shape(hasRows: false, extents: [4, 6]))
    #expect(
      throws: GraphError(
        .matmul(.weightsNotBF16(found: .elementwise(.negate))), kernel: "k")
    ) { try verify([x, w, negated, matmul([0, 2], [6], .bf16Dot)]) }
    #expect(throws: GraphError(.matmul(.weightsNotBF16(found: w.op)), kernel: "k")) {
      try verify([x, w, matmul([0, 1], [6], .bf16Dot)])
    }
    let half = input("w", [4, 6], rows: false, .bf16)
    #expect(
      throws: GraphError(.matmul(.valueNotBF16(found: x.op)), kernel: "k")
    ) { try verify([x, half, matmul([0, 1], [6], .bf16Dot)]) }
  }

  // MARK: Sizes

  @Test func weightsMayBeLargerThanRows() throws {
    let wide = Tensor.input("w", [4096, 28672], .bf16)
    let x = Tensor.input("x", [.rows, 4096], .bf16)
    #expect(reason(x.matmul(wide)) == nil)
    let edge = try Shape([.fixed(1 << 16), .fixed(1 << 15)])
    #expect(edge.elementsPerRow == Shape.largestWeightCount)
    #expect(throws: ShapeError.tooManyElements([1 << 16, 1 << 16], limit: 1 << 31)) {
      try Shape([.fixed(1 << 16), .fixed(1 << 16)])
    }
    #expect(throws: ShapeError.tooManyElements([1 << 15, 1 << 15], limit: 1 << 24)) {
      try Shape([.rows, .fixed(1 << 15), .fixed(1 << 15)])
    }
  }

  @Test func onlyWeightsMayBeThatLarge() {
    let large = Tensor.input("g", [4096, 28672], .bf16)
    let tooMany = GraphError.Reason.shape(.tooManyElements([4096, 28672], limit: 1 << 24))
    let rows = Tensor.input("x", [.rows, 1, 1], .f32)
    #expect(reason(rows * large) == tooMany)
    #expect(reason(rows * large.rounded(to: .f16)) == tooMany)
    // Rows that a matmul makes too long.
    let long = Tensor.input("x", [.rows, 4096, 1], .f32)
    #expect(
      reason(long.matmul(.input("w", [1, 8192], .f32)))
        == .shape(.tooManyElements([4096, 8192], limit: 1 << 24)))
    // Broadcasting makes many elements of few.
    let column = Tensor.input("a", [8192, 1], .f32)
    let row = Tensor.input("b", [1, 8192], .f32)
    #expect(
      reason(Tensor.input("x", [.rows, 1, 1], .f32) * (column * row))
        == .shape(.tooManyElements([8192, 8192], limit: 1 << 24)))
  }
}
