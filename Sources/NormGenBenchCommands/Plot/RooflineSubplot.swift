internal import Foundation
internal import NormGenMeasure
internal import NormGenPlots

/// The roofs of a machine, and kernels as numbered points under them.
struct RooflineSubplot {
  private let limits: MachineLimits
  private let kernels: [NumberedKernel]
  private let frame: PlotArea
  private let x: LogScale
  private let y: LogScale

  init(_ limits: MachineLimits, _ kernels: [NumberedKernel], frame: PlotArea) {
    self.limits = limits
    self.kernels = kernels
    self.frame = frame
    let intensities = kernels.map(\.benchmark.intensity).filter { $0 > 0 }
    let rates = kernels.map(\.benchmark.flopsPerSecond).filter { $0 > 0 }
    let peaks = limits.arithmetic.map(\.flopsPerSecond.median)
    let bandwidths = limits.bandwidths.map(\.fastest)
    let highest = peaks.max() ?? 1e9
    // To the left there is room for the roofs' names.
    let left = (intensities.min() ?? 1) / 5
    let ridge = highest / (bandwidths.min() ?? highest)
    x = LogScale(
      left, max((intensities.max() ?? 1) * 2, ridge * 2), start: frame.x, end: frame.right)
    let lowest = rates.min() ?? left * highest / ridge
    y = LogScale(lowest / 1.8, highest * 1.6, start: frame.bottom, end: frame.y)
  }

  var elements: [SVGElement] {
    [.group(axes), .group(roofs), .group(points)]
  }

  private var axes: [SVGElement] {
    PlotAxes(
      frame: frame, across: x.ticks.map { (x($0), LogScale.text($0)) },
      down: y.ticks.map { (y($0), LogScale.text($0 / 1e9)) },
      acrossLabel: "flop per byte that must move", downLabel: "GFLOP/s",
      gaps: (numbers: 7, label: 40)
    ).elements
  }

  private var roofs: [SVGElement] {
    let highest = limits.arithmetic.map(\.flopsPerSecond.median).max() ?? 0
    var elements: [SVGElement] = []
    for (index, level) in limits.bandwidths.enumerated() {
      elements += slope(index, level, highest: highest)
    }
    let fastest = limits.bandwidths.map(\.fastest).max() ?? .infinity
    for peak in limits.arithmetic {
      let rate = peak.flopsPerSecond.median
      elements.append(
        roof(PlotPoint(x: x(rate / fastest), y: y(rate)), PlotPoint(x: frame.right, y: y(rate))))
      let name = "\(peak.peak.rawValue), \(Quantity.decimal(rate / 1e9, 0)) GFLOP/s"
      elements.append(
        PlotStyle.seamed(
          PlotStyle.label(name, at: PlotPoint(x: frame.right - 6, y: y(rate) - 6), size: 10.5)
            .with("text-anchor", "end")))
    }
    return elements
  }

  /// A level's roof, from where it enters the frame to the highest peak.
  private func slope(
    _ index: Int, _ level: MachineLimits.Bandwidth, highest: Double
  ) -> [SVGElement] {
    let rate = level.fastest
    guard rate > 0 else { return [] }
    let left = max(x.domain.lowerBound, y.domain.lowerBound / rate)
    let start = PlotPoint(x: x(left), y: y(left * rate))
    let end = PlotPoint(x: x(highest / rate), y: y(highest))
    let angle = atan2(end.y - start.y, end.x - start.x)
    // The name stands above its roof unless the roof above is too close.
    let above = index > 0 ? limits.bandwidths[index - 1].fastest : .infinity
    let gap = above.isFinite ? (y(left * rate) - y(left * above)) * cos(angle) : .infinity
    let offset = gap < 15 ? 12.0 : -5
    let along = 12.0
    let place = PlotPoint(
      x: start.x + along * cos(angle) - offset * sin(angle),
      y: start.y + along * sin(angle) + offset * cos(angle))
    let name = "\(level.level.rawValue), \(Quantity.decimal(rate / 1e9, 0)) GB/s"
    let turn =
      "rotate(\(SVGElement.number(angle * 180 / .pi)) \(SVGElement.number(place.x)) "
      + "\(SVGElement.number(place.y)))"
    return [
      roof(start, end),
      PlotStyle.seamed(PlotStyle.label(name, at: place, size: 10.5).with("transform", turn)),
    ]
  }

  private func roof(_ from: PlotPoint, _ to: PlotPoint) -> SVGElement {
    SVGElement.line(from, to).with("stroke", PlotStyle.quiet).with("stroke-width", 1.4)
      .with("stroke-linecap", "round")
  }

  private func place(of kernel: NumberedKernel) -> PlotPoint {
    PlotPoint(x: x(kernel.benchmark.intensity), y: y(kernel.benchmark.flopsPerSecond))
  }

  private var points: [SVGElement] {
    let places = kernels.map(place)
    var labels = LabelPlacement(bounds: frame, points: places)
    var leaders: [SVGElement] = []
    var signs: [SVGElement] = []
    var numbers: [SVGElement] = []
    for (kernel, point) in zip(kernels, places) {
      let size = 9.0
      let text = "\(kernel.number)"
      let area = labels.place(
        width: PlotStyle.width(of: text, size: size) + 2, height: size, beside: point)
      let middle = PlotPoint(x: area.x + area.width / 2, y: area.y + area.height / 2)
      let distance = hypot(middle.x - point.x, middle.y - point.y)
      if distance > 16 {
        leaders.append(
          .line(point, middle).with("stroke", PlotStyle.axis).with("stroke-width", 0.6))
      }
      numbers.append(
        PlotStyle.seamed(
          PlotStyle.label(text, at: PlotPoint(x: middle.x, y: area.bottom - 1), size: size)
            .with("text-anchor", "middle")))
      signs.append(
        PlotStyle.sign(
          at: point, storage: kernel.benchmark.storage,
          color: PlotStyle.color(of: kernel.benchmark.group)
        ).with("class", "kernel-point").with(.title("\(kernel.number) \(kernel.name)")))
    }
    return leaders + signs + numbers
  }
}
