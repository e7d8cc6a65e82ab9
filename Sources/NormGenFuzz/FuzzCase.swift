public import NormGen
import NormGenCheck

/// One kernel of a fuzzing run and how it is called: all chosen by one seed.
public struct FuzzCase: Hashable, Sendable {
  /// The seed of the kernel, of its calls and of their inputs.
  public let seed: UInt64
  /// The kernel.
  public package(set) var graph: Graph
  /// Its calls: ordinary ones by rows, then perhaps one on special rows.
  public package(set) var calls: [FuzzCall]
  /// The knobs for the targets in turn; nil for the compiler's choice. Bits must not depend on them.
  public package(set) var schedules: [KernelSchedule?]
  /// The share of kernels that are large in one way; they take the most time.
  private static let largeShare = 0.015

  /// How the kernel is compiled for the targets in turn. Bits must not depend on it either.
  package var optimizations: [Optimization]

  /// The kernel and calls of `seed`.
  ///
  /// - Throws: `GraphError` when the kernel has no meaning: a defect of the generator.
  public init(seed: UInt64) throws(GraphError) {
    var random = SeededGenerator(seed: seed &+ 0x2545_f491_4f6c_dd1d)
    let graph = try FuzzCase.kernel(seed: seed, &random).graph()
    self.seed = seed
    self.graph = graph
    let allowed = FuzzCase.rowCounts.filter {
      FuzzCase.work(of: graph, rows: $0) <= FuzzCase.mostWork
    }
    // What has no rows is evaluated with any number of them.
    let drawn = (0..<3).map { _ in random.choice(allowed.isEmpty ? [0, 1] : allowed) }
    let isOverRows = graph.values.contains(where: graph.isOverRows)
    let plain = random.below(3)
    let space = FuzzCase.space(of: graph)
    self.schedules = (0..<3).map { position in
      let schedule = space?.drawn(using: &random)
      return position == plain ? nil : schedule
    }
    self.optimizations = FuzzCase.optimizations(group: seed / UInt64(FuzzRun.batch))
    self.calls = Set(drawn).sorted().map { FuzzCall(rows: $0) }
    if random.happens(0.5) {
      let special = SpecialRows.count(for: graph)
      // One row can make all sums over rows NaN.
      let most = isOverRows ? 1 + random.below(3) : special
      let count = (1...most).last { FuzzCase.work(of: graph, rows: $0) <= FuzzCase.mostWork } ?? 1
      calls.append(FuzzCall(rows: count, firstSpecial: random.below(special - count + 1)))
    }
  }

  /// The schedules to draw from, of a target that has all knobs; nil for a kernel that can't be planned.
  private static func space(of graph: Graph) -> ScheduleSpace<KernelSchedule>? {
    (try? FusionPlanner.plan(of: graph)).map {
      ScheduleSpace(of: $0, strategy: RowStreaming(), target: .avx512)
    }
  }

  /// Mostly small kernels: a mistake needs few operations to show, and large kernels take long to
  /// compile.
  private static func kernel(seed: UInt64, _ random: inout SeededGenerator) -> Kernel {
    let kind = random.uniform()
    if kind < largeShare { return RandomLargeGraph.kernel(seed: seed) }
    if kind < 0.45 {
      let steps = 1 + min(random.below(10), random.below(10))
      return RandomGraph(seed: seed, steps: steps, longestRow: 600).kernel
    }
    let steps = 1 + min(random.below(8), random.below(8))
    let products = kind < 0.75 ? 0 : random.happens(0.85) ? 1 : random.choice([2, 2, 2, 8])
    return RandomProducts.kernel(seed: seed, steps: steps, products: products)
  }

  /// How the kernel is compiled for the target with an index.
  func optimization(_ target: Int) -> Optimization {
    optimizations[target % optimizations.count]
  }

  /// The optimization of kernels that are compiled together, mostly none: compiling is most of a
  /// run's time, and the emitter's mistakes are in the C already.
  private static func optimizations(group: UInt64) -> [Optimization] {
    var random = SeededGenerator(seed: group)
    return (0..<3).map { _ in
      let share = random.uniform()
      return share < 0.75 ? .none : share < 0.9 ? .lean : .full
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
      let traits = node.op.traits
      if traits.isLeaf { return sum }
      guard traits.family == .product else { return sum + count }
      return sum + count * (traits.isOverRows ? rows : graph[node.operands[0]].shape.rowExtent)
    }
  }
}
