import NormGen
import Testing

/// The named residual modes are the compositions that they stand for.
@Suite struct ResidualTests {
  private func graph(
    _ type: DType, _ other: DType, _ body: (Tensor, Tensor) -> Tensor
  ) throws -> Graph {
    let x = Tensor.input("x", [.rows, 8], type)
    let residual = Tensor.input("residual", [.rows, 8], other)
    return try Kernel("k", body(x, residual).rmsNorm()).graph()
  }

  @Test(arguments: DType.allCases)
  func modesAreWhereTheRoundingStands(type: DType) throws {
    let rounded = try graph(type, type) { $0.adding(residual: $1, mode: .rounded) }
    let unrounded = try graph(type, type) { $0.adding(residual: $1, mode: .unrounded) }
    #expect(unrounded == (try graph(type, type) { $0 + $1 }))
    // What integers sum to is stored as f32.
    let staysFloat = type == .f32 || !type.holdsFractions
    #expect(
      rounded == (try graph(type, type) { staysFloat ? $0 + $1 : ($0 + $1).rounded(to: type) }))
    #expect((rounded == unrounded) == staysFloat)
    // Two types are promoted to f32, which every sum is rounded to.
    let mixed = try graph(.bf16, .f16) { $0.adding(residual: $1, mode: .rounded) }
    #expect(mixed == (try graph(.bf16, .f16) { $0 + $1 }))
  }

  @Test func theTextFormNamesTheMode() throws {
    func text(_ sum: String) -> String {
      "kernel k(x: bf16[rows, 8], r: bf16[rows, 8]) {\n  y = rms_norm(\(sum))\n} -> y\n"
    }
    let named = try GraphParser.graphs(in: text("add_residual(x, r, mode: rounded)"))
    #expect(named == (try GraphParser.graphs(in: text("bf16(x + r)"))))
    let error = #expect(throws: TextError.self) {
      try GraphParser.graphs(in: text("add_residual(x, r)"))
    }
    #expect(error?.message == "'add_residual' needs 'mode:', one of rounded, unrounded")
  }
}
