import NormGen

/// The paper's four variants of a layer.
public enum RecurrentNorm: String, CaseIterable, Sendable {
  case none, layerNorm, rmsNorm, partialRMSNorm

  /// The window of the partial norm.
  static let fraction = 0.0625

  /// The variant's name in tables.
  var title: String {
    switch self {
    case .none: "none"
    case .layerNorm: "LayerNorm"
    case .rmsNorm: "RMSNorm"
    case .partialRMSNorm: "pRMSNorm"
    }
  }

  /// Summed inputs normalized without gain and shift.
  func callAsFunction(_ summed: Tensor, epsilon: Float) -> Tensor {
    switch self {
    case .none: summed
    case .layerNorm: summed.layerNorm(epsilon: epsilon)
    case .rmsNorm: summed.rmsNorm(epsilon: epsilon)
    case .partialRMSNorm:
      summed.rmsNorm(epsilon: epsilon, statistics: .leading(fraction: Self.fraction))
    }
  }
}
