/// What the norm after a residual sum sees: frameworks differ, and the bits with them.
public enum ResidualMode: String, CaseIterable, Hashable, Sendable {
  /// The sum rounded to its storage type, as it is stored (mode A: Hugging Face, Liger).
  case rounded
  /// The Float32 sum, which is rounded only where it is stored (mode B: FlashInfer, sglang).
  case unrounded
}

extension Tensor {
  /// The sum with a residual, as the norm after it sees it.
  public func adding(residual: Tensor, mode: ResidualMode) -> Tensor {
    let sum = self + residual
    switch mode {
    case .rounded: return sum.rounded(toStorage: sum.storage)
    case .unrounded: return sum
    }
  }
}
