public import NormGenIR

/// Where each pass takes the row-wise values from that an earlier pass has computed already.
///
/// A value is read back from an output that holds it exactly, or from a scratch row, where that
/// costs less than computing it again from memory.
public struct Materialization: Hashable, Sendable {
  /// How a pass obtains a row-wise value.
  public enum Source: Hashable, Sendable {
    /// From its operands.
    case computed
    /// From the output with this index.
    case output(Int)
    /// From a scratch row.
    case scratch
  }

  /// The sources by pass, for the values that a pass needs.
  public let sources: [[ValueID: Source]]
  /// The values that a pass writes to scratch rows, by pass.
  public let scratchStores: [[ValueID]]

  /// Decides for every value that more than one pass needs.
  ///
  /// - Parameter schedule: What keeping must save.
  public init(region: Region, schedule: KeepingSchedule) {
    let graph = region.graph
    let passes = region.passes.indices
    var sources = [[ValueID: Source]](repeating: [:], count: passes.count)
    var scratchStores = [[ValueID]](repeating: [], count: passes.count)
    /// The passes that need each value.
    var needing = [[Int]](repeating: [], count: graph.nodes.count)
    func need(_ id: ValueID, in pass: Int) {
      if sources[pass].updateValue(sources[pass][id] ?? .computed, forKey: id) == nil {
        needing[id.index].append(pass)
      }
    }
    for pass in passes {
      for root in Materialization.roots(of: pass, in: region) { need(root, in: pass) }
    }
    let outputs = Materialization.exactOutputs(of: region)
    let coversRow = passes.map { Materialization.coversRow(pass: $0, in: region) }
    let mostCost = max(schedule.leastScratchCost, schedule.leastOutputCost)
    let room = min(schedule.scratchElements, KeepingSchedule.mostScratchElements)
    var scratchElements = 0
    for id in graph.values.reversed() where region.roles[id.index] == .row {
      let needing = needing[id.index].sorted()
      guard let first = needing.first else { continue }
      let cost = needing.count > 1 ? Materialization.cost(of: id, in: region, upTo: mostCost) : 0
      let hasRoom = scratchElements + region.rowExtent <= room
      var isKept = false
      for pass in needing {
        var source = Source.computed
        if pass > first {
          if let output = outputs[id], output.pass < pass, cost > schedule.leastOutputCost {
            source = .output(output.index)
          } else if coversRow[first], hasRoom, cost >= schedule.leastScratchCost {
            source = .scratch
          }
        }
        sources[pass][id] = source
        if source == .scratch, !isKept {
          isKept = true
          scratchStores[first].append(id)
          scratchElements += region.rowExtent
        }
        if source == .computed {
          for operand in graph[id].operands where region.roles[operand.index] == .row {
            need(operand, in: pass)
          }
        }
      }
    }
    self.sources = sources
    self.scratchStores = scratchStores.map { $0.sorted() }
  }

  private static func roots(of pass: Int, in region: Region) -> [ValueID] {
    let plan = region.passes[pass]
    let terms = plan.statistics.flatMap { region.graph[$0].operands }
    let stored = plan.stores.map { region.graph.outputs[$0].value }
    return (terms + stored).filter { region.roles[$0.index] == .row }
  }

  /// The cost of computing a value from memory, in vector loads; no more of it than decides.
  private static func cost(of root: ValueID, in region: Region, upTo most: Double) -> Double {
    var seen: Set<ValueID> = []
    var stack = [root]
    var cost = 0.0
    while cost <= most, let id = stack.popLast() {
      guard region.roles[id.index] == .row, seen.insert(id).inserted else { continue }
      let node = region.graph[id]
      switch node.op.traits.family {
      case .constant, .movement, .statistic: break
      // Sums over rows are never needed again: they are known only when the last row is done.
      case .input, .blocks, .product, .rowSum: cost += 1
      case .elementwise:
        // Roundings cost as much as a load.
        guard case .elementwise(let op) = node.op else {
          cost += 1
          break
        }
        cost += op.isPlain ? 0.5 : op.elementaryFunction == nil ? 4 : 12
      }
      stack.append(contentsOf: node.operands)
    }
    return cost
  }

  /// The first output, and the pass that stores it, whose stored elements are the value itself.
  private static func exactOutputs(of region: Region) -> [ValueID: (index: Int, pass: Int)] {
    var found: [ValueID: (index: Int, pass: Int)] = [:]
    for (pass, plan) in region.passes.enumerated() {
      for index in plan.stores {
        let (id, storage) = (region.graph.outputs[index].value, region.graph.outputs[index].storage)
        guard found[id] == nil, storage == .f32 || region.graph[id].op == .convert(storage) else {
          continue
        }
        found[id] = (index, pass)
      }
    }
    return found
  }

  private static func coversRow(pass: Int, in region: Region) -> Bool {
    let plan = region.passes[pass]
    return !plan.stores.isEmpty
      || plan.statistics.contains { region.window(of: $0) == region.rowExtent }
  }
}
