public import NormGen

/// One kernel of a fuzzing run and how it is called: all chosen by one seed.
public struct FuzzCase: Hashable, Sendable {
  /// The seed of the kernel, of its calls and of their inputs.
  public let seed: UInt64
  /// The kernel.
  public package(set) var graph: Graph
  /// The numbers of rows of its calls.
  public package(set) var rows: [Int]
  /// The knobs for the targets in turn; nil for the compiler's choice. Bits must not depend on them.
  public package(set) var schedules: [Schedule?]

  /// The kernel and calls of `seed`.
  ///
  /// - Throws: `GraphError` when the kernel has no meaning: a defect of the generator.
  public init(seed: UInt64) throws(GraphError) {
    var random = SeededGenerator(seed: seed &+ 0x2545_f491_4f6c_dd1d)
    let kernel =
      random.happens(0.3)
      ? RandomGraph(seed: seed, longestRow: 600).kernel : RandomProducts.kernel(seed: seed)
    let graph = try kernel.graph()
    self.seed = seed
    self.graph = graph
    let allowed = FuzzCase.rowCounts.filter {
      FuzzCase.work(of: graph, rows: $0) <= FuzzCase.mostWork
    }
    let drawn = (0..<3).map { _ in random.choice(allowed) }
    self.rows = Set(drawn).sorted()
    let isOverRows = graph.values.contains(where: graph.isOverRows)
    let plain = random.below(3)
    self.schedules = (0..<3).map { position in
      let schedule = Schedule(
        streamingBytes: random.choice([nil, 1, Schedule.defaultStreamingBytes]),
        rowTile: 1 + random.below(5), prefetchesNextRow: random.happens(0.5),
        matmul: MatmulSchedule(
          // Sums over rows fix the blocks themselves.
          blockRows: isOverRows ? nil : random.choice([nil, 1, 14, 28, 40]),
          packsWeights: random.happens(0.5)))
      return position == plain ? nil : schedule
    }
  }

  /// None, one, numbers that no tile divides, tiles of the targets, and around a block of the sums
  /// over rows.
  private static let rowCounts = [
    0, 1, 1, 2, 3, 5, 6, 7, 12, 13, 14, 15, 17, 28, 29, 57, 113, 255, 256, 257, 300,
  ]

  /// The most operations of a call: the oracle does each with its bound.
  private static let mostWork = 400_000

  /// The products of the matmuls and the elements of all else.
  private static func work(of graph: Graph, rows: Int) -> Int {
    graph.nodes.reduce(0) { sum, node in
      let count = (node.shape.hasRows ? rows : 1) * node.shape.elementsPerRow
      switch node.op {
      case .matmul: return sum + count * graph[node.operands[0]].shape.rowExtent
      case .outerSum: return sum + count * rows
      case .input, .constant: return sum
      case .elementwise, .statistic, .convert, .reshape, .columns, .concatenate, .leadingPart,
        .rowSum:
        return sum + count
      }
    }
  }
}
