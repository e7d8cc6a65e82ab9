public import NormGenIR

/// A graph cut at its matmuls: row regions, and the products between them.
///
/// Stage 0 holds what needs no product, stage s + 1 what needs the products behind stage s. What a
/// later stage or a product reads is passed on in panels.
public struct KernelPlan: Hashable, Sendable {
  /// The graph.
  public let graph: Graph
  /// The stages, in order; there is one more than the longest chain of matmuls.
  public let stages: [Stage]
  /// Values that pass from stage to stage.
  public let panels: [PlannedPanel]
  /// Columns of parameters and panels that regions read under names of their own.
  public let views: [PlannedView]

  /// Row-wise work and the products of its results.
  public struct Stage: Hashable, Sendable {
    /// Parts that share nothing but what they read; each is one run over the rows.
    public let regions: [Region]
    /// The matmuls of the graph whose rows are known after the regions.
    public let products: [ValueID]
  }

  /// A value that one stage or product leaves for another.
  public struct PlannedPanel: Hashable, Sendable {
    /// The name, unique among panels and parameters.
    public let name: String
    /// The value of the graph.
    public let value: ValueID
    /// The type it is kept in, which holds it exactly.
    public let storage: DType
  }

  /// Consecutive columns of a parameter or panel.
  public struct PlannedView: Hashable, Sendable {
    /// The name, unique among views, panels and parameters.
    public let name: String
    /// The value of the graph: an operation `columns`.
    public let value: ValueID
    /// The parameter or panel.
    public let base: String
  }

  /// The region that is the whole kernel; nil for a kernel with matmuls.
  public var onlyRegion: Region? {
    stages.count == 1 && stages[0].regions.count == 1 && panels.isEmpty && views.isEmpty
      ? stages[0].regions[0] : nil
  }

  /// All regions, in order.
  public var regions: [Region] { stages.flatMap(\.regions) }

  /// The panel that holds a value in a type.
  public func panel(_ value: ValueID, _ storage: DType) -> PlannedPanel? {
    panels.first { $0.value == value && $0.storage == storage }
  }
}
