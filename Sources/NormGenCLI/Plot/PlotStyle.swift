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
    case .elementwise: "#7b3fb3"
    }
  }

  /// A sign at a point: its form tells the storage type, its colour the group.
  static func sign(
    at point: PlotPoint, storage: String, group: BenchmarkGroup
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
    return shape.with("fill", color(of: group)).with("stroke", ground).with("stroke-width", 0.8)
  }
}
