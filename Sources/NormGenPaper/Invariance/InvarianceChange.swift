/// What Table 1 of the paper does to weights or data.
public enum InvarianceChange: String, CaseIterable, Sendable {
  /// T1: W′ = δW.
  case scaledWeights
  /// T2: W′ = W + 1γᵀ, one vector added to the weights of every unit.
  case shiftedWeights
  /// T3: the weights of one unit times δ.
  case scaledUnit
  /// T4: X′ = δX.
  case scaledData
  /// T5: X′ = X + 1γᵀ, one vector added to every sample.
  case shiftedData
  /// T6: one sample times δ.
  case scaledSample

  /// The column's heading.
  var title: String {
    switch self {
    case .scaledWeights: "T1 W matrix rescale"
    case .shiftedWeights: "T2 W matrix recentre"
    case .scaledUnit: "T3 W vector rescale"
    case .scaledData: "T4 dataset rescale"
    case .shiftedData: "T5 dataset recentre"
    case .scaledSample: "T6 single case rescale"
    }
  }

  /// Whether a factor is applied; the others add a vector.
  var isScaling: Bool {
    switch self {
    case .scaledWeights, .scaledUnit, .scaledData, .scaledSample: true
    case .shiftedWeights, .shiftedData: false
    }
  }
}

/// The rows of Table 1.
public enum InvarianceNorm: String, CaseIterable, Sendable {
  case batchNorm, weightNorm, layerNorm, rmsNorm, partialRMSNorm

  /// The row's heading.
  var title: String {
    switch self {
    case .batchNorm: "BatchNorm"
    case .weightNorm: "WeightNorm"
    case .layerNorm: "LayerNorm"
    case .rmsNorm: "RMSNorm"
    case .partialRMSNorm: "pRMSNorm"
    }
  }

  /// What the norm does not see, by the paper's Table 1.
  var invariances: Set<InvarianceChange> {
    switch self {
    case .batchNorm: [.scaledWeights, .scaledUnit, .scaledData, .shiftedData]
    case .weightNorm: [.scaledWeights, .scaledUnit]
    case .layerNorm: [.scaledWeights, .shiftedWeights, .scaledData, .scaledSample]
    case .rmsNorm, .partialRMSNorm: [.scaledWeights, .scaledData, .scaledSample]
    }
  }
}
