internal import NormGenPaper
internal import NormGenPlots

/// Subplots of lines side by side, each with its legend below.
struct LinePlot {
  private let plot: PaperPlot

  init(_ plot: PaperPlot) {
    self.plot = plot
  }

  private static let margin = 24.0
  private static let headHeight = 52.0
  private static let labelWidth = 58.0
  private static let subplotWidth = 330.0
  private static let subplotHeight = 260.0
  private static let legendTop = 58.0
  private static let legendRow = 17.0

  var document: SVGDocument {
    let step = LinePlot.labelWidth + LinePlot.subplotWidth + LinePlot.margin
    let subplots = plot.subplots.enumerated().map { index, subplot in
      LineSubplot(
        subplot,
        frame: PlotArea(
          x: LinePlot.margin + Double(index) * step + LinePlot.labelWidth,
          y: LinePlot.headHeight + 24, width: LinePlot.subplotWidth, height: LinePlot.subplotHeight)
      )
    }
    let rows = plot.subplots.map { ($0.series.count + 1) / 2 }.max() ?? 0
    let title = PlotStyle.label(
      plot.title, at: PlotPoint(x: LinePlot.margin, y: 32), size: 16
    ).with("font-weight", "bold")
    return SVGDocument(
      width: LinePlot.margin + Double(max(plot.subplots.count, 1)) * step,
      height: LinePlot.headHeight + 24 + LinePlot.subplotHeight + LinePlot.legendTop
        + Double(rows) * LinePlot.legendRow + LinePlot.margin / 2,
      title: plot.title,
      elements: [title] + subplots.flatMap { $0.elements + legend($0) })
  }

  /// The lines' names in two columns below a subplot.
  private func legend(_ subplot: LineSubplot) -> [SVGElement] {
    subplot.names.enumerated().flatMap { index, name in
      let place = PlotPoint(
        x: subplot.frame.x + Double(index % 2) * subplot.frame.width / 2,
        y: subplot.frame.bottom + LinePlot.legendTop + Double(index / 2) * LinePlot.legendRow)
      return [
        SVGElement.line(place, PlotPoint(x: place.x + 18, y: place.y))
          .with("stroke", PlotStyle.seriesColor(index)).with("stroke-width", 2),
        PlotStyle.label(name, at: PlotPoint(x: place.x + 24, y: place.y + 4)),
      ]
    }
  }
}

/// One coordinate system with its lines.
struct LineSubplot {
  let frame: PlotArea
  private let subplot: PaperPlot.Subplot
  private let x: AxisScale
  private let y: AxisScale

  init(_ subplot: PaperPlot.Subplot, frame: PlotArea) {
    self.subplot = subplot
    self.frame = frame
    let points = subplot.series.flatMap(\.points)
    x = AxisScale(
      points.map(\.x), isLogarithmic: subplot.x.isLogarithmic, start: frame.x, end: frame.right)
    y = AxisScale(
      points.map(\.y), isLogarithmic: subplot.y.isLogarithmic, start: frame.bottom, end: frame.y)
  }

  var names: [String] { subplot.series.map(\.name) }

  var elements: [SVGElement] {
    let heading = PlotStyle.label(
      subplot.title, at: PlotPoint(x: frame.x, y: frame.y - 8), size: 12
    ).with("font-weight", "bold")
    return [heading, .group(axes)]
      + subplot.series.enumerated().map { index, series in
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
      down: y.ticks.map { (y($0), y.text($0)) }, acrossLabel: subplot.x.label,
      downLabel: subplot.y.label, gaps: (numbers: 6, label: 46)
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
