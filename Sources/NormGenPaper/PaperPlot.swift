/// Lines to be drawn: subplots side by side that share their series' names.
public struct PaperPlot: Sendable, Encodable {
  /// The numbers along an axis.
  public struct Axis: Sendable, Encodable {
    /// What is measured.
    public let label: String
    /// Whether equal ratios are equally far apart.
    public let isLogarithmic: Bool

    /// Creates an axis.
    public init(_ label: String, isLogarithmic: Bool = false) {
      self.label = label
      self.isLogarithmic = isLogarithmic
    }
  }

  /// A point of a line.
  public struct Point: Sendable, Encodable {
    /// The place along the horizontal axis.
    public let x: Double
    /// The place along the vertical axis.
    public let y: Double

    /// Creates a point.
    public init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }
  }

  /// A line.
  public struct Series: Sendable, Encodable {
    /// The line's name in the legend.
    public let name: String
    /// Its points, in order.
    public let points: [Point]

    /// Creates a line.
    public init(_ name: String, _ points: [Point]) {
      self.name = name
      self.points = points
    }
  }

  /// One coordinate system.
  public struct Subplot: Sendable, Encodable {
    /// The heading.
    public let title: String
    /// The horizontal axis.
    public let x: Axis
    /// The vertical axis.
    public let y: Axis
    /// The lines.
    public let series: [Series]

    /// Creates a subplot.
    public init(_ title: String, x: Axis, y: Axis, series: [Series]) {
      self.title = title
      self.x = x
      self.y = y
      self.series = series
    }
  }

  /// The file's name without its extension: letters, digits and hyphens.
  public let name: String
  /// What the drawing shows.
  public let title: String
  /// The subplots, from left to right.
  public let subplots: [Subplot]

  /// Creates a drawing.
  public init(_ name: String, title: String, subplots: [Subplot]) {
    self.name = name
    self.title = title
    self.subplots = subplots
  }
}
