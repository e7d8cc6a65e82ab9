public import NormGenIR
public import NormGenLoops

/// A graph cut at its matmuls: row regions, and the products between them.
///
/// Stage 0 holds what needs no product, stage s + 1 what needs the products behind stage s. What a
/// later stage or a product reads is passed on in panels.
public struct KernelPlan: Hashable, Sendable {
  /// The graph; weights that are computed are parameters of it, behind its own.
  public let graph: Graph
  /// The stages, in order; there is one more than the longest chain of matmuls.
  public let stages: [Stage]
  /// Values that pass from stage to stage.
  public let panels: [PlannedPanel]
  /// Columns of parameters and panels that regions read or write under names of their own.
  public let views: [PlannedView]

  /// Values over all rows.
  public let totals: [PlannedTotal]
  /// Weights that are computed when they are packed.
  public internal(set) var computedWeights: [PlannedWeights] = []

  /// Creates a plan.
  init(
    graph: Graph, stages: [Stage], panels: [PlannedPanel] = [], views: [PlannedView] = [],
    totals: [PlannedTotal] = []
  ) {
    self.graph = graph
    self.stages = stages
    self.panels = panels
    self.views = views
    self.totals = totals
  }

  /// Row-wise work and the products of its results.
  public struct Stage: Hashable, Sendable {
    /// Parts that share nothing but what they read; each is one run over the rows.
    public let regions: [Region]
    /// The matmuls of the graph whose rows are known after the regions.
    public let products: [ValueID]
    /// The values over all rows whose terms lie in panels after the products; those that regions
    /// accumulate themselves are not among them.
    public let sums: [ValueID]

    init(regions: [Region], products: [ValueID] = [], sums: [ValueID] = []) {
      self.regions = regions
      self.products = products
      self.sums = sums
    }
  }

  /// A value over all rows, which is stored when the last row is done.
  public struct PlannedTotal: Hashable, Sendable {
    /// The name under which block results are accumulated, unique among panels and parameters.
    public let name: String
    /// The value of the graph.
    public let value: ValueID
    /// The outputs of the graph, by index, that store it.
    public let outputs: [Int]
  }

  /// Weights that are computed from inputs, once, when they are packed.
  public struct PlannedWeights: Hashable, Sendable {
    /// The parameter of ``KernelPlan/graph`` that holds them.
    public let name: String
    /// The type that holds them exactly.
    public let storage: DType
    /// Their shape, two axes.
    public let shape: Shape
    /// What computes them, a row of the region for each index of the first axis.
    public let region: Region
    /// The kernel's inputs that it reads, in the kernel's order.
    public let inputs: [Buffer]
    /// Where the region's parameters lie in them, in order.
    public let sources: [ComputedWeights.Source]
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
    /// The parameter or panel.
    public let base: String
    /// The first column.
    public let offset: Int
    /// The value of the graph that is read, an operation `columns`; nil for a part of a
    /// concatenation, which is written.
    public let value: ValueID?
  }

  /// Whether values pass from one step to another: there are products, or columns between regions.
  public var hasSteps: Bool { stages.count > 1 || !panels.isEmpty }

  /// The weights of the products, each once.
  public var weights: [String] {
    var seen: Set<String> = []
    return stages.flatMap(\.products).compactMap { graph.weightsName(of: $0) }
      .filter { seen.insert($0).inserted }
  }

  /// All regions, in order; those of computed weights behind the stages'.
  public var regions: [Region] { stages.flatMap(\.regions) + computedWeights.map(\.region) }

  /// The panels of each value, in order.
  var panelsByValue: [ValueID: [PlannedPanel]] { Dictionary(grouping: panels, by: \.value) }
}
