/// What one part of the paper showed on generated kernels.
public struct PaperReport: Sendable, Encodable {
  /// A table of results.
  public struct Table: Sendable, Encodable {
    /// What the table holds.
    public let title: String
    /// The columns' names, first that of the rows.
    public let columns: [String]
    /// The cells of each row.
    public let rows: [[String]]

    /// Creates a table; each row has a cell for every column.
    public init(_ title: String, columns: [String], rows: [[String]]) {
      self.title = title
      self.columns = columns
      self.rows = rows
    }
  }

  /// A claim and whether it was found to hold.
  public struct Verdict: Sendable, Encodable {
    /// The claim in words.
    public let claim: String
    /// Whether it holds.
    public let holds: Bool
    /// What was measured.
    public let measured: String
    /// Whether the claim is about time, which other work on the machine may disturb.
    public let isTiming: Bool

    /// Creates a verdict.
    public init(_ claim: String, holds: Bool, measured: String, isTiming: Bool = false) {
      self.claim = claim
      self.holds = holds
      self.measured = measured
      self.isTiming = isTiming
    }
  }

  /// The part's name on the command line.
  public let part: String
  /// The heading.
  public let title: String
  /// Paragraphs that say what was done.
  public let prose: [String]
  /// The results.
  public let tables: [Table]
  /// The claims.
  public let verdicts: [Verdict]
  /// Drawings of the results.
  public let plots: [PaperPlot]

  /// Creates a report.
  public init(
    part: String, title: String, prose: [String], tables: [Table], verdicts: [Verdict],
    plots: [PaperPlot] = []
  ) {
    self.part = part
    self.title = title
    self.prose = prose
    self.tables = tables
    self.verdicts = verdicts
    self.plots = plots
  }

  /// Whether every claim that is not about time holds.
  public var holds: Bool { verdicts.allSatisfy { $0.holds || $0.isTiming } }
}
