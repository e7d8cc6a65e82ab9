internal import NormGenMeasure
internal import NormGenPlots

/// A kernel with the number that names it in both halves of a plot.
struct NumberedKernel {
  let number: Int
  let benchmark: KernelBenchmark

  /// The kernel and its rows.
  var name: String {
    "\(benchmark.kernel), \(benchmark.rows) \(benchmark.rows == 1 ? "row" : "rows")"
  }

  /// ``name``, or the start and the end of a long one.
  var label: String {
    name.count <= 46 ? name : name.prefix(24) + "…" + name.suffix(21)
  }
}

/// A benchmark as a drawing: the roofline on the left, shares of the limit on the right.
struct BenchmarkPlot {
  private let report: BenchReport

  init(_ report: BenchReport) {
    self.report = report
  }

  private static let margin = 24.0
  private static let headHeight = 64.0

  var document: SVGDocument {
    var number = 0
    let groups = report.groups.map { group, kernels in
      (
        group: group,
        kernels: kernels.map { benchmark in
          number += 1
          return NumberedKernel(number: number, benchmark: benchmark)
        }
      )
    }
    let frame = PlotArea(
      x: BenchmarkPlot.margin + 48, y: BenchmarkPlot.headHeight + 8, width: 600, height: 560)
    let roofline = RooflineSubplot(report.limits, groups.flatMap(\.kernels), frame: frame)
    let ratios = RatioSubplot(
      groups, origin: PlotPoint(x: frame.right + 40, y: BenchmarkPlot.headHeight - 12),
      barsWidth: 240)
    let legend = legend(
      groups.map(\.group), groups.flatMap(\.kernels),
      at: PlotPoint(x: frame.x, y: frame.bottom + 62))
    return SVGDocument(
      width: frame.right + 40 + ratios.width + BenchmarkPlot.margin,
      height: max(
        frame.bottom + 62 + legend.height, BenchmarkPlot.headHeight - 12 + ratios.height)
        + BenchmarkPlot.margin,
      title: "Kernels and the limits of the machine",
      elements: head(barsAt: frame.right + 40) + roofline.elements + legend.elements
        + ratios.elements)
  }

  private func head(barsAt x: Double) -> [SVGElement] {
    let target = report.kernels.first?.target ?? ""
    return [
      PlotStyle.label(
        "Kernels under the roofs of one core",
        at: PlotPoint(x: BenchmarkPlot.margin, y: 34), size: 17
      ).with("font-weight", "bold"),
      PlotStyle.label(
        "target \(target), one thread; limits and kernels measured in turns",
        at: PlotPoint(x: BenchmarkPlot.margin, y: 54), size: 11.5
      ).with("fill-opacity", "0.75"),
      PlotStyle.label("Share of the limit", at: PlotPoint(x: x, y: 34), size: 17)
        .with("font-weight", "bold"),
    ]
  }

  private func legend(
    _ groups: [BenchmarkGroup], _ kernels: [NumberedKernel], at origin: PlotPoint
  ) -> (elements: [SVGElement], height: Double) {
    var elements: [SVGElement] = []
    var place = origin
    for group in groups {
      elements.append(PlotStyle.sign(at: place, storage: "f32", color: PlotStyle.color(of: group)))
      elements.append(
        PlotStyle.label(group.title, at: PlotPoint(x: place.x + 9, y: place.y + 4)))
      place.x += 36 + PlotStyle.width(of: group.title, size: 11)
    }
    place = PlotPoint(x: origin.x, y: origin.y + 20)
    let types = Set(kernels.map(\.benchmark.storage)).sorted { $0.count < $1.count }
    for storage in types {
      elements.append(
        PlotStyle.sign(at: place, storage: storage, color: PlotStyle.quiet))
      elements.append(PlotStyle.label(storage, at: PlotPoint(x: place.x + 9, y: place.y + 4)))
      place.x += 36 + PlotStyle.width(of: storage, size: 11)
    }
    let notes = [
      "Roofs: operations at the peak, and bytes at the bandwidth of each level.",
      "A kernel's limit is the longer of its operations at the f32 peak and of moving as many bytes",
      "where they lie. Bars: medians over the rounds, whiskers from the lower to the upper quartile;",
      "dashed marks: memcpy of the same bytes; pale: types narrower than f32.",
    ]
    var y = origin.y + 46
    for note in notes {
      elements.append(
        PlotStyle.label(note, at: PlotPoint(x: origin.x - 4, y: y)).with("fill-opacity", "0.75"))
      y += 16
    }
    y += 12
    for row in [BenchReport.limitsHeader] + report.limitsRows {
      for (cell, x) in zip(row, [-4.0, 330, 430]) {
        let label = PlotStyle.label(cell, at: PlotPoint(x: origin.x + x, y: y))
        elements.append(x < 0 ? label : label.with("text-anchor", "end"))
      }
      y += 16
    }
    return (elements, y - origin.y)
  }
}
