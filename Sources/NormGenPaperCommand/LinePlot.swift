internal import NormGenPaper
internal import NormGenPlots

/// Panels of lines side by side, each with its legend below.
struct LinePlot {
  private let plot: PaperPlot

  init(_ plot: PaperPlot) {
    self.plot = plot
  }

  private static let margin = 24.0
  private static let headHeight = 52.0
  private static let labelWidth = 58.0
  private static let panelWidth = 330.0
  private static let panelHeight = 260.0
  private static let legendTop = 58.0
  private static let legendRow = 17.0

  var document: SVGDocument {
    let step = LinePlot.labelWidth + LinePlot.panelWidth + LinePlot.margin
    let panels = plot.panels.enumerated().map { index, panel in
      LinePanel(
        panel,
        frame: PlotArea(
          x: LinePlot.margin + Double(index) * step + LinePlot.labelWidth,
          y: LinePlot.headHeight + 24, width: LinePlot.panelWidth, height: LinePlot.panelHeight))
    }
    let rows = plot.panels.map { ($0.series.count + 1) / 2 }.max() ?? 0
    let title = PlotStyle.label(
      plot.title, at: PlotPoint(x: LinePlot.margin, y: 32), size: 16
    ).with("font-weight", "bold")
    return SVGDocument(
      width: LinePlot.margin + Double(max(plot.panels.count, 1)) * step,
      height: LinePlot.headHeight + 24 + LinePlot.panelHeight + LinePlot.legendTop
        + Double(rows) * LinePlot.legendRow + LinePlot.margin / 2,
      title: plot.title,
      elements: [title] + panels.flatMap { $0.elements + legend($0) })
  }

  /// The lines' names in two columns below a panel.
  private func legend(_ panel: LinePanel) -> [SVGElement] {
    panel.names.enumerated().flatMap { index, name in
      let place = PlotPoint(
        x: panel.frame.x + Double(index % 2) * panel.frame.width / 2,
        y: panel.frame.bottom + LinePlot.legendTop + Double(index / 2) * LinePlot.legendRow)
      return [
        SVGElement.line(place, PlotPoint(x: place.x + 18, y: place.y))
          .with("stroke", PlotStyle.seriesColor(index)).with("stroke-width", 2),
        PlotStyle.label(name, at: PlotPoint(x: place.x + 24, y: place.y + 4)),
      ]
    }
  }
}

/// One coordinate system with its lines.
struct LinePanel {
  let frame: PlotArea
  private let panel: PaperPlot.Panel
  private let x: AxisScale
  private let y: AxisScale

  init(_ panel: PaperPlot.Panel, frame: PlotArea) {
    self.panel = panel
    self.frame = frame
    let points = panel.series.flatMap(\.points)
    x = AxisScale(
      points.map(\.x), isLogarithmic: panel.x.isLogarithmic, start: frame.x, end: frame.right)
    y = AxisScale(
      points.map(\.y), isLogarithmic: panel.y.isLogarithmic, start: frame.bottom, end: frame.y)
  }

  var names: [String] { panel.series.map(\.name) }

  var elements: [SVGElement] {
    let heading = PlotStyle.label(
      panel.title, at: PlotPoint(x: frame.x, y: frame.y - 8), size: 12
    ).with("font-weight", "bold")
    return [heading, .group(axes)]
      + panel.series.enumerated().map { index, series in
        line(series, color: PlotStyle.seriesColor(index))
      }
  }

  private func line(_ series: PaperPlot.Series, color: String) -> SVGElement {
    // What has no place on the axis is left out, and the line with it.
    let places = series.points.filter { x.holds($0.x) && y.holds($0.y) }
      .map { PlotPoint(x: x($0.x), y: y($0.y)) }
    let strokes = zip(places, places.dropFirst()).map { SVGElement.line($0, $1) }
    let dots = places.count > 20 ? [] : places.map { SVGElement.circle($0, radius: 2.4) }
    return SVGElement.group(strokes + dots.map { $0.with("fill", color) })
      .with("class", "series").with("stroke", color).with("stroke-width", 1.6)
      .with(.title(series.name))
  }

  private var axes: [SVGElement] {
    PlotAxes(
      frame: frame, across: x.ticks.map { (x($0), x.text($0)) },
      down: y.ticks.map { (y($0), y.text($0)) }, acrossLabel: panel.x.label,
      downLabel: panel.y.label, gaps: (numbers: 6, label: 46)
    ).elements
  }
}

extension PlotStyle {
  /// The colour of a line by its number, repeated after eight.
  static func seriesColor(_ index: Int) -> String {
    let colors = [
      "#0b6bcb", "#c2570c", "#12805c", "#b3263d", "#7b3fb3", "#8a6d00", "#00808a", "#5f6b7a",
    ]
    return colors[index % colors.count]
  }
}
