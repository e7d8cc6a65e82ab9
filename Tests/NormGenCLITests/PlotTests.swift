import Foundation
import FoundationXML
@testable import NormGenPlots
import Testing

/// Drawings are well-formed and complete.
@Suite struct PlotTests {
  @Test func aPlotHasAPointAndABarForEachKernel() throws {
    let directory = try TestDirectory()
    try directory.write(
      """
      kernel unmoved(x: f32[rows, 37]) {
        y = x
      } -> y

      """, to: "unmoved.ng")
    let result = try CommandLineFixture.normgen(
      [
        "bench", "rms_norm_128_f32", "qk_norm_32x128_bf16", "unmoved.ng", "--rows", "1", "5",
        "--rounds", "3", "--plot", "out.svg",
      ], in: directory)
    #expect(result.status == 0, "\(result.errors)")
    #expect(directory.files == ["out.svg", "unmoved.ng"])
    let plot = try ParsedSVG(try directory.text(of: "out.svg"))
    #expect(plot.root == "svg")
    for part in ["kernel-point", "kernel-bar", "kernel-whisker"] {
      #expect(plot.classes.filter { $0 == part }.count == 6, "\(part)")
    }
    for name in ["rms_norm_128_f32, 1 row", "rms_norm_128_f32, 5 rows", "unmoved, 5 rows"] {
      #expect(plot.texts.contains(name), "\(name)")
    }
    #expect(plot.texts.contains { $0.hasPrefix("f32 multiply-add, ") })
    #expect(plot.texts.contains { $0.hasPrefix("memory, ") })
    let size = try #require(plot.size)
    for number in plot.positions.x { #expect((0...size.width).contains(number)) }
    for number in plot.positions.y { #expect((0...size.height).contains(number)) }
  }

  /// It is found before anything is measured.
  @Test func aPlotThatCannotBeWrittenIsAnError() throws {
    let directory = try TestDirectory()
    try directory.write("", to: "file")
    try directory.write(TestKernels.text, to: "k.svg")
    for (plot, kernel, error) in [
      ("file/out.svg", "rms_norm_128_f32", "'file/out.svg': can't create: Not a directory"),
      (
        "none/out.svg", "rms_norm_128_f32",
        "'none/out.svg': can't create: No such file or directory"
      ),
      ("./k.svg", "./k.svg", "'./k.svg': is an input, which the output would replace"),
    ] {
      let result = try CommandLineFixture.normgen(
        ["bench", kernel, "--rows", "1", "--rounds", "3", "--plot", plot], in: directory)
      #expect(result.status == 1)
      #expect(result.errors == "error: \(error)\n")
      #expect(result.output.isEmpty)
    }
    #expect(directory.files == ["file", "k.svg"])
  }

  @Test func textIsNeverMarkup() throws {
    let text = "a<b>&\"c\" \u{1}\u{FFFE}é"
    let element = SVGElement.text(text, at: PlotPoint(x: 1.005, y: -0.5)).with("class", text)
      .with("fill", "red").with("fill", "blue")
    let document = SVGDocument(width: 10, height: 10, title: text, elements: [element])
    let plot = try ParsedSVG(document.text)
    let shown = "a<b>&\"c\" \u{FFFD}\u{FFFD}é"
    #expect(plot.texts == [shown, shown])
    #expect(plot.classes == [shown])
  }

  @Test func numbersOfADrawingAreFinite() {
    let numbers = [0, -0.001, 1, 1.5, 1.004, 1e6, .nan, .infinity].map(SVGElement.number)
    #expect(numbers == ["0", "0", "1", "1.5", "1", "1000000", "0", "0"])
  }

  @Test func aLogarithmicScaleSpreadsRatiosEvenly() {
    let scale = LogScale(1, 100, start: 0, end: 200)
    #expect(scale(1) == 0 && scale(10) == 100 && scale(100) == 200)
    #expect(scale(0) == 0 && scale(1e9) == 200)
    #expect(scale.ticks == [1, 2, 5, 10, 20, 50, 100])
    #expect([0.02, 0.5, 1, 50].map(LogScale.text) == ["0.02", "0.5", "1", "50"])
    // No number at all still makes an axis.
    let empty = LogScale(.infinity, .nan, start: 0, end: 1)
    #expect(empty.domain == 1...2)
  }

  @Test func labelsKeepOffPointsAndEachOther() {
    let bounds = PlotArea(x: 0, y: 0, width: 200, height: 200)
    let points = (0..<12).map { PlotPoint(x: 100, y: 80 + 3 * Double($0)) }
    var placement = LabelPlacement(bounds: bounds, points: points)
    let labels = points.map { placement.place(width: 12, height: 9, beside: $0) }
    for (index, label) in labels.enumerated() {
      #expect(bounds.overlap(with: label) > 12 * 9 - 1e-6)
      for other in labels[..<index] { #expect(label.overlap(with: other) == 0) }
      for point in points {
        #expect(
          label.overlap(with: PlotArea(x: point.x - 4, y: point.y - 4, width: 8, height: 8)) == 0)
      }
    }
  }
}

/// What a reader of XML finds in a drawing.
final class ParsedSVG: NSObject, XMLParserDelegate {
  private(set) var root: String?
  private(set) var classes: [String] = []
  private(set) var texts: [String] = []
  private(set) var positions: (x: [Double], y: [Double]) = ([], [])
  private(set) var size: (width: Double, height: Double)?
  private var text = ""

  init(_ source: String) throws {
    super.init()
    let parser = XMLParser(data: Data(source.utf8))
    parser.delegate = self
    let isWellFormed = parser.parse()
    try #require(isWellFormed, "\(String(describing: parser.parserError))")
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    if root == nil {
      root = name
      if let width = attributes["width"].flatMap(Double.init),
        let height = attributes["height"].flatMap(Double.init)
      {
        size = (width, height)
      }
    }
    if let kind = attributes["class"] { classes.append(kind) }
    positions.x += ["x", "x1", "x2", "cx"].compactMap { attributes[$0].flatMap(Double.init) }
    positions.y += ["y", "y1", "y2", "cy"].compactMap { attributes[$0].flatMap(Double.init) }
    text = ""
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    if name == "text" || name == "title" { texts.append(text) }
    text = ""
  }
}
