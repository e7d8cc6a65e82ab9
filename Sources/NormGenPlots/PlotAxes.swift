/// The frame of a subplot: a grid, its numbers and what the axes stand for.
package struct PlotAxes {
  /// A line of the grid: where it lies on its axis, and its number.
  package typealias Tick = (place: Double, text: String)

  private let frame: PlotArea
  private let across: [Tick]
  private let down: [Tick]
  private let acrossLabel: String
  private let downLabel: String
  private let gaps: (numbers: Double, label: Double)

  /// Axes around `frame`.
  ///
  /// - Parameter gaps: From the frame to the numbers beside it, and to the label beside those.
  package init(
    frame: PlotArea, across: [Tick], down: [Tick], acrossLabel: String, downLabel: String,
    gaps: (numbers: Double, label: Double)
  ) {
    self.frame = frame
    self.across = across
    self.down = down
    self.acrossLabel = acrossLabel
    self.downLabel = downLabel
    self.gaps = gaps
  }

  package var elements: [SVGElement] {
    var elements: [SVGElement] = []
    for tick in across {
      elements.append(
        .line(PlotPoint(x: tick.place, y: frame.y), PlotPoint(x: tick.place, y: frame.bottom))
          .with("stroke", PlotStyle.grid))
      elements.append(
        PlotStyle.label(tick.text, at: PlotPoint(x: tick.place, y: frame.bottom + 16))
          .with("text-anchor", "middle"))
    }
    for tick in down {
      elements.append(
        .line(PlotPoint(x: frame.x, y: tick.place), PlotPoint(x: frame.right, y: tick.place))
          .with("stroke", PlotStyle.grid))
      elements.append(
        PlotStyle.label(
          tick.text, at: PlotPoint(x: frame.x - gaps.numbers, y: tick.place + 4)
        ).with("text-anchor", "end"))
    }
    elements.append(
      SVGElement.rectangle(frame).with("fill", "none").with("stroke", PlotStyle.axis))
    elements.append(
      PlotStyle.label(
        acrossLabel, at: PlotPoint(x: frame.x + frame.width / 2, y: frame.bottom + 34)
      ).with("text-anchor", "middle"))
    let (side, middle) = (frame.x - gaps.label, frame.y + frame.height / 2)
    elements.append(
      PlotStyle.label(downLabel, at: PlotPoint(x: side, y: middle))
        .with("text-anchor", "middle")
        .with(
          "transform", "rotate(-90 \(SVGElement.number(side)) \(SVGElement.number(middle)))"))
    return elements
  }
}
