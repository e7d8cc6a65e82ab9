import NormGenIR
import NormGenLoops
public import NormGenSchedule

/// What a kernel must read, write and compute, every value once.
///
/// A schedule may compute a value again rather than keep it; these are the amounts that no
/// schedule can go below, and the passes and scratch memory of the chosen one.
public struct KernelCost: Hashable, Sendable {
  /// Float32 operations by kind.
  public struct Operations: Hashable, Sendable {
    /// Sums and differences, those of statistics included.
    public var additions = 0
    /// Products.
    public var multiplications = 0
    /// Fused multiply-adds.
    public var fused = 0
    /// Multiply-adds of bf16 dot products, by the licence of a matmul.
    public var dotted = 0
    /// Multiply-adds of bytes, whose sums are integers.
    public var integer = 0
    /// Divisions.
    public var divisions = 0
    /// Square roots.
    public var squareRoots = 0
    /// Elementary functions: exp, log, tanh, erf, sigmoid.
    public var elementary = 0
    /// Comparisons, selections and changes of sign.
    public var selections = 0
    /// Roundings to a storage type narrower than Float32.
    public var roundings = 0

    /// Operations as rates count them: a multiply-add is two, a division, a root
    /// and an elementary function one each; selections and roundings are none.
    public var flops: Int {
      additions + multiplications + 2 * (fused + dotted + integer) + divisions + squareRoots
        + elementary
    }
  }

  /// Bytes of parameters with rows that one row needs.
  public private(set) var bytesReadPerRow = 0
  /// Bytes of outputs that one row gives.
  public private(set) var bytesWrittenPerRow = 0
  /// Bytes of parameters without rows, such as gains and shifts, read in every call.
  public private(set) var parameterBytes = 0
  /// Operations for one row.
  public private(set) var operationsPerRow = Operations()
  /// The elements of a row that each pass runs over.
  public private(set) var passExtents: [Int] = []
  /// The extent of the row that each pass runs over a part of.
  public private(set) var passRowExtents: [Int] = []
  /// Bytes of memory that the kernel keeps for a row between passes.
  public private(set) var scratchBytes = 0

  /// The cost of a lowered kernel.
  public init(_ lowering: Lowering) {
    // What passes through panels is neither read nor written by the caller's means.
    var panels = Set(lowering.program.panels.map(\.name))
    panels.formUnion(lowering.program.views.filter { panels.contains($0.base) }.map(\.name))
    var counted = panels
    for region in lowering.plan.regions { add(region, panels: panels, counted: &counted) }
    for product in lowering.program.products { add(product, counted: &counted) }
    scratchBytes =
      lowering.program.rowPrograms.map { KernelCost.scratchBytes(of: $0.row) }.max() ?? 0
  }

  /// The cost of a region, without scratch memory.
  public init(_ region: Region) {
    var counted: Set<String> = []
    add(region, panels: [], counted: &counted)
  }

  /// Counts a product: each of its terms is one fused multiply-add.
  private mutating func add(_ product: Product, counted: inout Set<String>) {
    let blocks = (product.depth + MatmulOrder.block - 1) / MatmulOrder.block
    let terms = product.depth * product.columns
    switch product.matmul.accumulation {
    case .fused: operationsPerRow.fused += terms
    case .bf16Dot: operationsPerRow.dotted += terms
    case .int8:
      operationsPerRow.integer += terms
      // Each group's scales are multiplied, and a step of the chain is taken, with a minimum two.
      if let format = product.format {
        let groups = product.depth / format.subBlockElements
        let steps = (format.minimum == nil ? 1 : 2) * groups * product.columns
        operationsPerRow.multiplications += steps
        operationsPerRow.fused += steps
      }
    }
    if product.matmul.accumulation != .int8 {
      operationsPerRow.additions += (blocks - 1) * product.columns
    }
    guard counted.insert(product.weights).inserted else { return }
    parameterBytes += product.weightElements * product.storage.byteCount
  }

  private mutating func add(
    _ region: Region, panels: Set<String>, counted: inout Set<String>
  ) {
    let graph = region.graph
    let needed = KernelCost.neededElements(of: region)
    // Statistics run once for each index of the axes outside the row.
    let outer = region.outerExtents.reduce(1, *)
    for id in graph.values where needed[id.index] > 0 {
      let node = graph[id]
      let elements = outer * needed[id.index]
      switch node.op {
      case .constant, .dequantize, .reshape, .columns, .concatenate, .leadingPart, .matmul: break
      case .rowSum:
        if node.operands.count == 2 {
          operationsPerRow.fused += elements
        } else {
          operationsPerRow.additions += elements
        }
      case .outerSum: operationsPerRow.fused += node.shape.elementsPerRow
      case .input(let name, let storage):
        guard counted.insert(name).inserted else { continue }
        // An input without rows may be shorter than the rows it is broadcast to.
        let ownOuter = node.shape.outerExtents.reduce(1, *)
        let bytes = ownOuter * needed[id.index] * storage.byteCount
        if node.shape.hasRows { bytesReadPerRow += bytes } else { parameterBytes += bytes }
      case .elementwise(let op): operationsPerRow.add(op, elements)
      case .convert(let type):
        if type != .f32 { operationsPerRow.roundings += elements }
      case .statistic(let statistic):
        operationsPerRow.add(
          statistic, terms: region.window(of: id), operands: node.operands.count, times: outer)
      }
    }
    for output in graph.outputs {
      let elements = graph[output.value].shape.elementsPerRow
      if !panels.contains(output.name) {
        bytesWrittenPerRow += elements * output.storage.byteCount
      }
      let isRounded = output.storage != .f32 && graph[output.value].op != .convert(output.storage)
      if isRounded { operationsPerRow.roundings += elements }
    }
    passRowExtents += region.passes.map { _ in region.rowExtent }
    passExtents += region.passes.map { pass in
      if !pass.stores.isEmpty { return region.rowExtent }
      return pass.statistics.map { region.window(of: $0) }.max() ?? 0
    }
  }

  /// How many elements along the row each value is needed for; 1 for a scalar, 0 for none.
  private static func neededElements(of region: Region) -> [Int] {
    let graph = region.graph
    var needed = [Int](repeating: 0, count: graph.nodes.count)
    func extent(of id: ValueID) -> Int {
      switch region.roles[id.index] {
      case .row: region.rowExtent
      case .scalar: 1
      }
    }
    for output in graph.outputs { needed[output.value.index] = extent(of: output.value) }
    for id in graph.values.reversed() where needed[id.index] > 0 {
      var count = needed[id.index]
      if case .statistic = graph[id].op { count = region.window(of: id) }
      for operand in graph[id].operands {
        needed[operand.index] = max(needed[operand.index], min(count, extent(of: operand)))
      }
    }
    return needed
  }

  private static func scratchBytes(of statements: [Stmt]) -> Int {
    var bytes = 0
    for statement in statements {
      statement.visit { inner in
        if case .scratch(let pointer, let count) = inner {
          bytes += count * pointer.storage.byteCount
        }
      }
    }
    return bytes
  }
}

extension KernelCost.Operations {
  mutating func add(_ op: ElementwiseOp, _ count: Int) {
    switch op {
    case .add, .subtract: additions += count
    case .multiply: multiplications += count
    case .multiplyAdd: fused += count
    case .divide: divisions += count
    case .squareRoot: squareRoots += count
    case .exp, .log, .tanh, .erf, .sigmoid: elementary += count
    case .negate, .absolute, .binade, .maximum, .minimum, .selectGreater: selections += count
    }
  }

  /// A statistic's terms, the tree over each block's partials, and the blocks' sum.
  mutating func add(_ statistic: Statistic, terms: Int, operands: Int, times: Int) {
    let blocks = (terms + SumOrder.block - 1) / SumOrder.block
    let combinations = (SumOrder.partials - 1) * blocks + blocks - 1
    guard statistic.reduction.isSum else {
      if operands == 2 { multiplications += times * terms }
      selections += times * (terms + combinations)
      return
    }
    if operands == 2 { fused += times * terms } else { additions += times * terms }
    additions += times * combinations
    if statistic.reduction == .mean { divisions += times }
  }
}
