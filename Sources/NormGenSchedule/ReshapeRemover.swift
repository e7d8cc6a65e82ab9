import NormGenIR

/// Pushes reshapes through elementwise steps to inputs and outputs, where they cost nothing.
///
/// A contiguous row has the same elements in the same order under every shape, so a reshaped
/// parameter is read by other loops over the same memory.
enum ReshapeRemover {
  /// The graph without reshape nodes, and the declared shapes of the parameters.
  static func removed(
    from graph: Graph
  ) throws(PlanError) -> (graph: Graph, parameterShapes: [String: Shape]) {
    var declared: [String: Shape] = [:]
    for id in graph.inputs {
      if case .input(let name, _) = graph[id].op { declared[name] = graph[id].shape }
    }
    for output in graph.outputs { declared[output.name] = graph[output.value].shape }
    let hasReshape = graph.nodes.contains { $0.op == .reshape }
    guard hasReshape else { return (graph, declared) }

    // The shape of the rows that statistics and leading parts run along wins; without these any
    // shape will do.
    var rewrite = Rewrite(graph)
    let view = try rewrite.view()
    for id in graph.values { try rewrite.add(id, view: view) }
    return (rewrite.builder.graph(), declared)
  }

  private struct Rewrite {
    let graph: Graph
    var builder: GraphBuilder
    /// Values of the graph that are seen under another shape, apart from the view.
    var hasOtherShape: Set<ValueID> = []

    /// The value whose rows are seen under the view, if one is.
    private(set) var viewed: ValueID?

    init(_ graph: Graph) {
      self.graph = graph
      builder = GraphBuilder(rewriting: graph)
    }

    /// The fixed extents that every full row is seen under.
    mutating func view() throws(PlanError) -> [Int] {
      var views: [(id: ValueID, extents: [Int])] = []
      for id in graph.values {
        if let view = RowViews.view(of: graph[id], in: graph) { views.append((id, view)) }
      }
      if let first = views.first, let other = views.first(where: { $0.extents != first.extents }) {
        let printer = GraphPrinter(graph)
        func words(_ view: (id: ValueID, extents: [Int])) -> String {
          "\(printer.label(of: view.id, in: graph)) over rows seen as \(view.extents)"
        }
        throw PlanError(
          at: other.id, in: graph,
          "statistics and leading parts see a row in two ways, \(words(first)) and \(words(other)), "
            + "but one kernel sees a row one way",
          remedy: "make a value between them an output, and an input of a second kernel")
      }
      viewed = views.first?.id
      if let view = views.first { return view.extents }
      // One number a row has as many axes as the row, but fewer elements.
      let widest = graph.nodes.map(\.shape).filter(\.hasRows).max { left, right in
        (left.extents.count, left.elementsPerRow) < (right.extents.count, right.elementsPerRow)
      }
      return widest?.extents ?? [1]
    }

    mutating func add(_ id: ValueID, view: [Int]) throws(PlanError) {
      let node = graph[id]
      try verifyShapes(of: id, view: view)
      if case .reshape = node.op {
        builder[id] = builder[node.operands[0]]
        return
      }
      let operands = builder.operands(of: id)
      let shape: Shape
      let op: Op
      do {
        let requested = reshaped(node.shape, to: view)
        let shapes = operands.map { builder.node($0).shape }
        op = try viewed(node, shapes)
        shape = try op.resultShape(of: shapes, requested: requested)
      } catch {
        throw unfit(id, view)
      }
      guard shape.elementsPerRow == node.shape.elementsPerRow else { throw unfit(id, view) }
      builder[id] = builder.add(
        op, operands, shape: shape, name: node.name, scope: node.scope, location: node.location)
    }

    /// The error of a value whose operands do not fit each other under the view.
    private func unfit(_ id: ValueID, _ view: [Int]) -> PlanError {
      let printer = GraphPrinter(graph)
      let count = graph[id].operands.map { graph[$0].shape.elementsPerRow }.max() ?? 1
      let operands = graph[id].operands.filter { graph[$0].shape.elementsPerRow > 1 }
        .map { operand -> String in
          let name = graph[operand].inputName ?? graph[operand].name
          return (name.map { "'\($0)'" } ?? "a value") + " of shape \(graph[operand].shape)"
        }
      var reason = "another value is reshaped to that"
      if let viewed {
        let place = graph.location(of: viewed).map { " (\($0))" } ?? ""
        reason = "\(printer.label(of: viewed, in: graph))\(place) is taken along it"
      }
      let narrow = graph[id].operands.first { operand in
        let shape = graph[operand].shape
        return graph[operand].inputName != nil && !shape.hasRows && shape.elementsPerRow > 1
          && shape.elementsPerRow < count
      }
      let full = Shape(hasRows: false, extents: graph[id].shape.extents)
      let remedy =
        narrow.map {
          "give \(printer.label(of: $0, in: graph)) with an element for each of the row's, shape "
            + "\(full)"
        } ?? "compute it in a kernel of its own"
      return PlanError(
        at: id, in: graph,
        "\(printer.label(of: id, in: graph)) combines " + operands.joined(separator: " and ")
          + ", but the kernel sees its rows as \(view), since \(reason), and along those axes they "
          + "do not fit", remedy: remedy)
    }

    /// The operation under the view: a sum over rows keeps as many elements as before.
    private func viewed(_ node: Node, _ operands: [Shape]) throws(ShapeError) -> Op {
      guard case .rowSum(let sum) = node.op else { return node.op }
      let term = try Op.elementwise(.multiply).resultShape(of: operands, requested: .scalar)
      let count = node.shape.elementsPerRow
      for kept in 1...max(term.extents.count, 1)
      where term.extents.suffix(kept).reduce(1, *) == count {
        return .rowSum(RowSum(sum.aggregate, keeping: kept))
      }
      throw .noRowsToSum(term, keeping: sum.keptAxes)
    }

    /// Refuses what would broadcast a part of a row along another axis than the graph says: a
    /// part keeps the shape that it had before it was reshaped.
    private mutating func verifyShapes(of id: ValueID, view: [Int]) throws(PlanError) {
      let node = graph[id]
      if node.op == .reshape {
        let seen = builder[node.operands[0]].map { builder.node($0).shape } ?? node.shape
        if node.shape.elementsPerRow > 1, seen != reshaped(node.shape, to: view) {
          hasOtherShape.insert(id)
        }
        return
      }
      guard let stale = node.operands.first(where: hasOtherShape.contains) else { return }
      if node.op.traits.family == .elementwise {
        hasOtherShape.insert(id)
        let extents = [1, node.shape.elementsPerRow]
        if node.operands.allSatisfy({ extents.contains(graph[$0].shape.elementsPerRow) }) { return }
      }
      let value = GraphPrinter(graph).label(of: stale, in: graph)
      throw PlanError(
        at: id, in: graph,
        "the value \(value) reshaped to \(graph[stale].shape) is used along its new axes, but only "
          + "whole rows can be", remedy: "declare the input with that shape")
    }

    /// A shape with as many elements as a row of the view is seen as the view.
    private func reshaped(_ shape: Shape, to view: [Int]) -> Shape {
      guard shape.elementsPerRow == view.reduce(1, *) else { return shape }
      return Shape(hasRows: shape.hasRows, extents: view)
    }
  }
}
