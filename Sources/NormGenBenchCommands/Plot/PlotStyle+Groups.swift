internal import NormGenMeasure
internal import NormGenPlots

extension PlotStyle {
  /// The colour of a group, different for those who see few colours, too.
  static func color(of group: BenchmarkGroup) -> String {
    switch group {
    case .norms: "#0b6bcb"
    case .residual: "#c2570c"
    case .heads: "#12805c"
    case .gradients: "#7a6a00"
    case .matmuls: "#b3263d"
    case .blocks: "#4a5568"
    case .elementwise: "#7b3fb3"
    }
  }

  /// The colour of a group's bars: paler for types narrower than Float32.
  static func barColor(of group: BenchmarkGroup, storage: String) -> String {
    if storage == "f32" { return color(of: group) }
    return switch group {
    case .norms: "#8dbbe8"
    case .residual: "#e3af8a"
    case .heads: "#8cc4b0"
    case .gradients: "#c9c08a"
    case .matmuls: "#dd9aa5"
    case .blocks: "#a5adba"
    case .elementwise: "#c0a0dc"
    }
  }
}
