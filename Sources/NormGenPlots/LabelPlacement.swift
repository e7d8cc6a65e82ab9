internal import Foundation

/// Finds room for small labels beside points: each goes where it covers least.
package struct LabelPlacement {
  private let bounds: PlotArea
  private var taken: [PlotArea] = []

  /// Labels stay inside `bounds` and off the `points`.
  package init(bounds: PlotArea, points: [PlotPoint]) {
    self.bounds = bounds
    taken = points.map { PlotArea(x: $0.x - 4, y: $0.y - 4, width: 8, height: 8) }
  }

  /// The area of a label for a point, near it if there is room.
  package mutating func place(width: Double, height: Double, beside point: PlotPoint) -> PlotArea {
    var best = PlotArea(x: point.x, y: point.y, width: width, height: height)
    var least = Double.infinity
    for distance in stride(from: 6.0, through: 60, by: 6) {
      for step in 0..<16 {
        let angle = Double(step) * .pi / 8
        let (across, down) = (cos(angle), sin(angle))
        // The label's near edge, not its middle, lies at the distance.
        let area = PlotArea(
          x: point.x + across * (distance + width / 2) - width / 2,
          y: point.y + down * (distance + height / 2) - height / 2, width: width, height: height)
        let covered = taken.reduce(0) { $0 + $1.overlap(with: area) }
        let inside = bounds.overlap(with: area)
        let cost = covered * 4 + (width * height - inside) * 8 + distance * 0.5
        if cost < least {
          least = cost
          best = area
        }
      }
    }
    taken.append(best)
    return best
  }
}
