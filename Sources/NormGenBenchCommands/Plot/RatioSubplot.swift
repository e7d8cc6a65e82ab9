internal import Foundation
internal import NormGenMeasure
internal import NormGenPlots

/// A bar for each kernel: its share of the limit, with whiskers from quartile to quartile.
struct RatioSubplot {
  private let groups: [(group: BenchmarkGroup, kernels: [NumberedKernel])]
  private let origin: PlotPoint
  private let barsWidth: Double
  private let labelWidth: Double
  /// The share at the right end.
  private let most: Double

  private static let rowHeight = 15.0
  private static let headingHeight = 28.0
  private static let axisHeight = 24.0

  init(
    _ groups: [(group: BenchmarkGroup, kernels: [NumberedKernel])], origin: PlotPoint,
    barsWidth: Double
  ) {
    self.groups = groups
    self.origin = origin
    self.barsWidth = barsWidth
    let kernels = groups.flatMap(\.kernels)
    labelWidth =
      (kernels.map { PlotStyle.width(of: $0.label, size: 10.5) }.max() ?? 0) + 34
    let highest = kernels.map(\.benchmark.shareOfLimit.upperQuartile).filter(\.isFinite).max() ?? 1
    most = max((highest * 4).rounded(.up) / 4, 1)
  }

  /// The width of labels, bars and numbers.
  var width: Double { labelWidth + barsWidth + 36 }

  /// The height of all rows, headings and the axis.
  var height: Double {
    groups.reduce(RatioSubplot.axisHeight) {
      $0 + RatioSubplot.headingHeight + Double($1.kernels.count) * RatioSubplot.rowHeight
    }
  }

  var elements: [SVGElement] {
    var elements: [SVGElement] = [.group(grid)]
    var top = origin.y
    for (group, kernels) in groups {
      elements.append(
        PlotStyle.label(group.title, at: PlotPoint(x: origin.x, y: top + 19), size: 12)
          .with("font-weight", "bold").with("fill", PlotStyle.color(of: group)))
      top += RatioSubplot.headingHeight
      for kernel in kernels {
        elements += row(kernel, top: top)
        top += RatioSubplot.rowHeight
      }
    }
    return elements
  }

  private func across(_ share: Double) -> Double {
    origin.x + labelWidth + min(max(share, 0), most) / most * barsWidth
  }

  private var grid: [SVGElement] {
    let bottom = origin.y + height - RatioSubplot.axisHeight + 4
    let steps = Int(most * 4)
    // Every quarter as long as there is room for the numbers.
    let stride = max(steps / 8, 1)
    return (0...steps).filter { $0 % stride == 0 || $0 == 4 }.flatMap { step in
      let share = Double(step) / 4
      let x = across(share)
      let isLimit = step == 4
      return [
        SVGElement.line(
          PlotPoint(x: x, y: origin.y + RatioSubplot.headingHeight - 4), PlotPoint(x: x, y: bottom)
        ).with("stroke", isLimit ? PlotStyle.quiet : PlotStyle.grid)
          .with("stroke-width", isLimit ? 1.4 : 1),
        PlotStyle.label(
          isLimit ? "limit" : SVGElement.number(share), at: PlotPoint(x: x, y: bottom + 15)
        ).with("text-anchor", "middle"),
      ]
    }
  }

  private func row(_ kernel: NumberedKernel, top: Double) -> [SVGElement] {
    let share = kernel.benchmark.shareOfLimit
    let middle = top + RatioSubplot.rowHeight / 2
    let start = across(0)
    let color = PlotStyle.barColor(
      of: kernel.benchmark.group, storage: kernel.benchmark.storage)
    let bar = SVGElement.rectangle(
      PlotArea(
        x: start, y: top + 2.5, width: across(share.median) - start,
        height: RatioSubplot.rowHeight - 5)
    ).with("class", "kernel-bar").with("fill", color)
      .with(.title("\(kernel.number) \(kernel.name)"))
    let (low, high) = (across(share.lowerQuartile), across(share.upperQuartile))
    let whisker = [
      line(PlotPoint(x: low, y: middle), PlotPoint(x: high, y: middle)),
      line(PlotPoint(x: low, y: middle - 2.5), PlotPoint(x: low, y: middle + 2.5)),
      line(PlotPoint(x: high, y: middle - 2.5), PlotPoint(x: high, y: middle + 2.5)),
    ]
    return [
      PlotStyle.label(
        "\(kernel.number)", at: PlotPoint(x: origin.x + 18, y: middle + 3.5), size: 10
      ).with("text-anchor", "end").with("fill-opacity", "0.7"),
      PlotStyle.label(
        kernel.label, at: PlotPoint(x: origin.x + 26, y: middle + 3.5), size: 10.5),
      bar, SVGElement.group(whisker).with("class", "kernel-whisker"),
      PlotStyle.label(
        Quantity.decimal(share.median, 2),
        at: PlotPoint(x: across(most) + 8, y: middle + 3.5), size: 10),
    ] + copyMark(kernel, top: top)
  }

  /// Where `memcpy` of the same bytes stands, if that is inside.
  private func copyMark(_ kernel: NumberedKernel, top: Double) -> [SVGElement] {
    let share = kernel.benchmark.limit.seconds.median / kernel.benchmark.copySeconds.median
    guard share <= most else { return [] }
    let x = across(share)
    return [
      SVGElement.line(
        PlotPoint(x: x, y: top + 1), PlotPoint(x: x, y: top + RatioSubplot.rowHeight - 1)
      ).with("stroke", PlotStyle.ink).with("stroke-width", 1.6)
        .with("stroke-dasharray", "2 1.5")
    ]
  }

  private func line(_ from: PlotPoint, _ to: PlotPoint) -> SVGElement {
    SVGElement.line(from, to).with("stroke", PlotStyle.ink).with("stroke-width", 1)
  }
}
