internal import NormGenMeasure

/// The colours and letters of plots.
enum PlotStyle {
  static let ground = "#ffffff"
  static let ink = "#1f2933"
  static let quiet = "#5f6b7a"
  static let grid = "#e4e8ed"
  static let axis = "#9aa5b1"

  /// The mean width of a letter by the size of the font.
  static let letterWidth = 0.56

  /// About how wide a text is.
  static func width(of text: String, size: Double) -> Double {
    Double(text.count) * size * letterWidth
  }

  /// Small text.
  static func label(_ text: String, at point: PlotPoint, size: Double = 11) -> SVGElement {
    SVGElement.text(text, at: point).with("font-size", size).with("fill", ink)
  }

  /// The colour of a group, different for those who see few colours, too.
  static func color(of group: BenchmarkGroup) -> String {
    switch group {
    case .norms: "#0b6bcb"
    case .residual: "#c2570c"
    case .heads: "#12805c"
    case .gradients: "#7a6a00"
    case .matmuls: "#b3263d"
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
    case .elementwise: "#c0a0dc"
    }
  }

  /// Text that stays readable on lines: a seam of the ground's colour surrounds it.
  static func seamed(_ label: SVGElement) -> SVGElement {
    label.with("stroke", ground).with("stroke-width", 3).with("stroke-linejoin", "round")
      .with("paint-order", "stroke")
  }

  /// A sign at a point: its form tells the storage type, its colour the group.
  static func sign(
    at point: PlotPoint, storage: String, color: String
  ) -> SVGElement {
    let size = 4.0
    let shape: SVGElement =
      switch storage {
      case "f32": .circle(point, radius: size)
      case "bf16":
        .rectangle(
          PlotArea(x: point.x - size, y: point.y - size, width: 2 * size, height: 2 * size))
      default:
        .polygon([
          PlotPoint(x: point.x, y: point.y - size * 1.3),
          PlotPoint(x: point.x + size * 1.3, y: point.y),
          PlotPoint(x: point.x, y: point.y + size * 1.3),
          PlotPoint(x: point.x - size * 1.3, y: point.y),
        ])
      }
    return shape.with("fill", color).with("stroke", ground).with("stroke-width", 0.8)
  }
}
