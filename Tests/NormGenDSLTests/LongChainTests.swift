import NormGen
import Testing

/// Chains far longer than any model has: no input exhausts the stack or takes exponential time.
@Suite struct LongChainTests {
  private func text(terms: Int) -> String {
    let sum = String(repeating: " + x", count: terms)
    return "kernel k(x: f32[rows, 4]) {\n  y = x\(sum)\n} -> y: f32\n"
  }

  @Test(arguments: [30, 250, 999])
  func longSumIsReadPrintedAndLowered(terms: Int) throws {
    let text = text(terms: terms)
    let graph = try GraphParser.graphs(in: text)[0]
    #expect(graph.nodes.count == terms + 1)
    #expect("\(graph)" == text)
    let source = try Compiler(target: .portable).lower(graph).source.source
    #expect(source.split(separator: "+").count > 2 * terms)
  }

  @Test(arguments: [1000, 200_000])
  func longerSumIsRefusedAtItsPlace(terms: Int) {
    let error = #expect(throws: TextError.self) {
      try GraphParser.graphs(in: text(terms: terms))
    }
    #expect(error?.line == 2)
    #expect(error?.column == 9 + 4 * 999)
    #expect(error?.message.contains("at most 1000") == true)
  }

  @Test func longChainOfMethodsIsRefusedAtItsLine() {
    var value = Tensor.input("x", [.rows, 4], .f32)
    var line: UInt = 0
    for _ in 0..<1200 {
      line = #line + 1
      value = value.maximum(.constant(1))
    }
    let error = #expect(throws: GraphError.self) { try Kernel("k", value).graph() }
    #expect(error?.reason == .tooDeep(limit: 1000))
    #expect(error?.location?.line == line)
  }

  /// Each statement doubles the parts.
  @Test func concatenationOfTooManyPartsIsRefusedAtItsPlace() {
    let statements = (1...20).map { "  c\($0) = concatenate(c\($0 - 1), c\($0 - 1))\n" }
    let text = """
      kernel c(x: f32[rows, 1]) {
        c0 = concatenate(x, x)
      \(statements.joined())  y = c20 * 2.0
      } -> y: f32
      """
    let error = #expect(throws: TextError.self) { try GraphParser.graphs(in: text) }
    #expect(error?.line == 15)
    #expect(error?.message.contains("at most 8192 parts") == true)
    #expect(error?.message.contains("found 16384") == true)
  }

  @Test func sharedValuesAreCountedOnce() throws {
    // 2⁶⁰ ways lead from the output to the input.
    var value = Tensor.input("x", [.rows, 4], .f32)
    for _ in 0..<60 { value = value + value }
    let graph = try Kernel("k", value).graph()
    #expect(graph.nodes.count == 61)
    #expect(try GraphParser.graphs(in: "\(graph)") == [graph])
  }
}
