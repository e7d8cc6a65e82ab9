internal import Foundation

/// A point of a drawing: x to the right, y downwards.
package struct PlotPoint: Hashable {
  package var x: Double
  package var y: Double

  package init(x: Double, y: Double) {
    self.x = x
    self.y = y
  }
}

/// A rectangle of a drawing.
package struct PlotArea: Hashable {
  package var x: Double
  package var y: Double
  package var width: Double
  package var height: Double

  package init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  package var right: Double { x + width }
  package var bottom: Double { y + height }

  /// The area that both cover.
  func overlap(with other: PlotArea) -> Double {
    let across = min(right, other.right) - max(x, other.x)
    let down = min(bottom, other.bottom) - max(y, other.y)
    return across > 0 && down > 0 ? across * down : 0
  }
}

/// An element of a drawing in Scalable Vector Graphics.
package struct SVGElement {
  private let name: String
  private var attributes: [(name: String, value: String)]
  private var text: String?
  private var children: [SVGElement] = []

  private init(_ name: String, _ attributes: [(String, Double)] = [], text: String? = nil) {
    self.name = name
    self.attributes = attributes.map { ($0.0, SVGElement.number($0.1)) }
    self.text = text
  }

  /// Elements that share attributes.
  package static func group(_ children: [SVGElement]) -> SVGElement {
    var element = SVGElement("g")
    element.children = children
    return element
  }

  /// A straight line.
  package static func line(_ from: PlotPoint, _ to: PlotPoint) -> SVGElement {
    SVGElement("line", [("x1", from.x), ("y1", from.y), ("x2", to.x), ("y2", to.y)])
  }

  /// A rectangle.
  package static func rectangle(_ area: PlotArea) -> SVGElement {
    SVGElement(
      "rect", [("x", area.x), ("y", area.y), ("width", area.width), ("height", area.height)])
  }

  /// A circle.
  package static func circle(_ center: PlotPoint, radius: Double) -> SVGElement {
    SVGElement("circle", [("cx", center.x), ("cy", center.y), ("r", radius)])
  }

  /// A closed polygon.
  package static func polygon(_ corners: [PlotPoint]) -> SVGElement {
    SVGElement("polygon").with(
      "points", corners.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " "))
  }

  /// Text whose baseline starts at a point.
  package static func text(_ text: String, at point: PlotPoint) -> SVGElement {
    SVGElement("text", [("x", point.x), ("y", point.y)], text: text)
  }

  /// What a viewer shows about the elements around it.
  package static func title(_ text: String) -> SVGElement { SVGElement("title", text: text) }

  /// The same element with an attribute, in place of an earlier value.
  package func with(_ attribute: String, _ value: String) -> SVGElement {
    var element = self
    element.attributes.removeAll { $0.name == attribute }
    element.attributes.append((attribute, value))
    return element
  }

  /// The same element with an attribute, in place of an earlier value.
  package func with(_ attribute: String, _ value: Double) -> SVGElement {
    with(attribute, SVGElement.number(value))
  }

  /// The same element with another child.
  package func with(_ child: SVGElement) -> SVGElement {
    var element = self
    element.children.append(child)
    return element
  }

  /// The element's lines of XML.
  func lines(indent: String) -> [String] {
    let open =
      "<\(name)"
      + attributes.map { " \($0.name)=\"\(SVGElement.escaped($0.value))\"" }.joined()
    if let text, children.isEmpty {
      return ["\(indent)\(open)>\(SVGElement.escaped(text))</\(name)>"]
    }
    if children.isEmpty { return ["\(indent)\(open)/>"] }
    return ["\(indent)\(open)>"] + children.flatMap { $0.lines(indent: indent + "  ") }
      + ["\(indent)</\(name)>"]
  }

  /// At most two decimals, with a point in every locale.
  package static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    // A sum with zero has no sign of its own when it is zero.
    let hundredths = (value * 100).rounded() + 0
    let text = String(format: "%.2f", hundredths / 100)
    if text.hasSuffix(".00") { return String(text.dropLast(3)) }
    return text.hasSuffix("0") ? String(text.dropLast()) : text
  }

  /// Text in which nothing is markup; what XML cannot hold becomes a replacement character.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result += " "
      case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// A drawing as the text of a file.
package struct SVGDocument {
  private let width: Double
  private let height: Double
  private let title: String
  private let elements: [SVGElement]

  /// A drawing of this size.
  ///
  /// - Parameter title: What a viewer calls it.
  package init(width: Double, height: Double, title: String, elements: [SVGElement]) {
    self.width = width
    self.height = height
    self.title = title
    self.elements = elements
  }

  /// The drawing on white ground, so that dark viewers show it as light ones do.
  package var text: String {
    let size = "\(SVGElement.number(width))\" height=\"\(SVGElement.number(height))\""
    let box = "0 0 \(SVGElement.number(width)) \(SVGElement.number(height))"
    let ground = SVGElement.rectangle(PlotArea(x: 0, y: 0, width: width, height: height))
      .with("fill", PlotStyle.ground)
    let head =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(size) viewBox=\"\(box)\""
      + " font-family=\"Helvetica, Arial, sans-serif\">"
    let body = ([.title(title), ground] + elements).flatMap { $0.lines(indent: "  ") }
    return (["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", head] + body + ["</svg>"])
      .joined(separator: "\n") + "\n"
  }
}
