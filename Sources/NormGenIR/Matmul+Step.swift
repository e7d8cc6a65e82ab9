extension Matmul {
  /// What one step of a product takes: all that planning and packing ask of an ``Accumulation``.
  public struct Step: Hashable, Sendable {
    /// The type that holds the value's elements. Weights are stored in it, too, but for f32, to which
    /// those of any type are widened, and for i8, which meets quants of blocks.
    public let operand: DType
    /// How many products of an element a step adds: elements of so many k lie side by side, and +0 stands
    /// for those beyond the last.
    public let depth: Int
  }
}

extension Matmul.Accumulation {
  /// What one step takes.
  public var step: Matmul.Step {
    switch self {
    case .fused: Matmul.Step(operand: .f32, depth: 1)
    case .bf16Dot: Matmul.Step(operand: .bf16, depth: 2)
    case .int8: Matmul.Step(operand: .i8, depth: 4)
    }
  }
}
