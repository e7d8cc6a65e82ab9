import NormGen
import NormGenTestSupport
import Testing

/// The C of random arithmetic means what the arithmetic means: parentheses, signs and order of
/// operands, judged by Swift's own operators, to the bit.
@Suite struct RandomExpressionTests {
  /// An expression of three inputs, as a tensor and as Swift computes it.
  private struct Expression {
    let tensor: Tensor
    let value: @Sendable ([Float]) -> Float
  }

  private static let extent = 19

  private static func expression(
    depth: Int, _ inputs: [Tensor], _ random: inout SeededGenerator
  ) -> Expression {
    let choice = Int(random.next() % 8)
    guard depth > 0, choice > 0 else {
      let index = Int(random.next() % 4)
      guard index == 3 else { return Expression(tensor: inputs[index]) { $0[index] } }
      let constant = Float(Int(random.next() % 17)) * 0.375 - 3
      return Expression(tensor: inputs[0] * .constant(constant)) { $0[0] * constant }
    }
    let left = expression(depth: depth - 1, inputs, &random)
    if choice == 1 { return Expression(tensor: -left.tensor) { -left.value($0) } }
    let right = expression(depth: depth - 1, inputs, &random)
    switch choice {
    case 2, 3:
      return Expression(tensor: left.tensor + right.tensor) { left.value($0) + right.value($0) }
    case 4, 5:
      return Expression(tensor: left.tensor - right.tensor) { left.value($0) - right.value($0) }
    case 6:
      return Expression(tensor: left.tensor * right.tensor) { left.value($0) * right.value($0) }
    default:
      return Expression(tensor: left.tensor / right.tensor) { left.value($0) / right.value($0) }
    }
  }

  @Test(arguments: 0..<12 as Range<UInt64>)
  func compiledArithmeticIsSwifts(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let inputs = ["a", "b", "c"].map { Tensor.input($0, [.rows, .fixed(Self.extent)], .f32) }
    let expressions = (0..<6).map { _ in Self.expression(depth: 6, inputs, &random) }
    let kernel = Kernel(
      "expressions",
      outputs: expressions.enumerated().map { Kernel.Output("y\($0)", $1.tensor) })
    let graph = try kernel.graph()
    let tensors = try RandomInputs.tensors(for: graph, rows: 3, seed: seed)
    // An input that no expression has is none of the kernel's.
    let zeros = try HostTensor(zeros: [3, Self.extent], .f32)
    for target in Targets.native {
      let outputs = try Compiler(target: target).compile(graph)(tensors)
      for (index, expression) in expressions.enumerated() {
        let output = try #require(outputs["y\(index)"])
        for element in 0..<output.count {
          let values = ["a", "b", "c"].map { Float((tensors[$0] ?? zeros)[element]) }
          let expected = expression.value(values)
          let found = Float(output[element])
          #expect(
            found.bitPattern == expected.bitPattern || (found.isNaN && expected.isNaN),
            "seed \(seed), y\(index) of \(values): \(found), expected \(expected)\n\(graph)")
        }
      }
    }
  }
}
