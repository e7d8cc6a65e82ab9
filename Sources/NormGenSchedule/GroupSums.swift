import NormGenIR
import NormGenLoops

/// Gives each product of integers the sums of those that share the weights' factors, where it needs them:
/// a minimum is multiplied by them, and so is what packed integers count from.
enum GroupSums {
  static func added(to graph: Graph) -> Graph {
    guard graph.values.contains(where: { group(of: $0, in: graph) != nil }) else { return graph }
    var builder = GraphBuilder(rewriting: graph)
    var known: [Key: ValueID] = [:]
    for id in graph.values {
      guard let group = group(of: id, in: graph), let x = builder[graph[id].operands[0]] else {
        builder.copy(id)
        continue
      }
      let key = Key(value: x, group: group)
      let sums = known[key] ?? sums(of: x, group, &builder)
      known[key] = sums
      builder.copy(id, operands: builder.operands(of: id) + [sums])
    }
    return builder.graph()
  }

  private struct Key: Hashable {
    let value: ValueID
    let group: Int
  }

  /// The elements of a group; nil if a value needs no sums.
  private static func group(of id: ValueID, in graph: Graph) -> Int? {
    guard case .matmul(let matmul) = graph[id].op, matmul.accumulation == .int8 else { return nil }
    guard case .dequantize(let format) = graph[graph[id].operands[1]].op else {
      // Packed as bytes without signs.
      return graph[graph[id].operands[0]].shape.rowExtent
    }
    return PackedBlocks.needsSums(format) ? format.subBlockElements : nil
  }

  private static func sums(
    of x: ValueID, _ group: Int, _ builder: inout GraphBuilder
  ) -> ValueID {
    let node = builder.node(x)
    let count = node.shape.rowExtent / group
    func shape(_ extents: Int...) -> Shape { Shape(hasRows: true, extents: extents) }
    let groups = builder.add(
      .reshape, [x], shape: shape(count, group), scope: node.scope, location: node.location)
    let sums = builder.add(
      .statistic(Statistic(.sum)), [groups], shape: shape(count, 1), scope: node.scope,
      location: node.location)
    return builder.add(
      .reshape, [sums], shape: shape(count), scope: node.scope, location: node.location)
  }
}
