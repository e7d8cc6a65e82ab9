/// The colours and letters of plots.
package enum PlotStyle {
  package static let ground = "#ffffff"
  package static let ink = "#1f2933"
  package static let quiet = "#5f6b7a"
  package static let grid = "#e4e8ed"
  package static let axis = "#9aa5b1"

  /// The mean width of a letter by the size of the font.
  package static let letterWidth = 0.56

  /// About how wide a text is.
  package static func width(of text: String, size: Double) -> Double {
    Double(text.count) * size * letterWidth
  }

  /// Small text.
  package static func label(_ text: String, at point: PlotPoint, size: Double = 11) -> SVGElement {
    SVGElement.text(text, at: point).with("font-size", size).with("fill", ink)
  }

  /// Text that stays readable on lines: a seam of the ground's colour surrounds it.
  package static func seamed(_ label: SVGElement) -> SVGElement {
    label.with("stroke", ground).with("stroke-width", 3).with("stroke-linejoin", "round")
      .with("paint-order", "stroke")
  }

  /// A sign at a point: its form tells the storage type, its colour the group.
  package static func sign(
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
