import NormGenIR

/// Derives the gradient of a kernel's inputs, value by value from the outputs back (reverse mode).
struct GradientBuilder {
  let graph: Graph
  var forward: ForwardValues
  let bounds: ForwardBounds
  /// The values that are activations with derivatives of their own.
  let applications: [ValueID: ActivationPattern.Application]
  let corrections: Corrections
  /// The values that a requested input leads to.
  private let isNeeded: [Bool]
  /// What has been found of each value's gradient.
  private var sums: [GradientSum?]
  /// The gradients of columns taken of each value.
  private var parts: [ValueID: [ColumnGradients.Part]] = [:]
  /// Gradients of weights, which are sums over all rows already.
  private var outerSums: [ValueID: [Tensor]] = [:]

  /// - Parameters:
  ///   - saved: The values that the gradient kernel reads, by the name of the input.
  ///   - patterns: The activations whose own derivatives are taken.
  init(
    _ graph: Graph, inputs: Set<ValueID>, saved: [ValueID: String], patterns: [ActivationPattern]
  ) {
    self.graph = graph
    let forward = ForwardValues(graph, saved: saved)
    self.forward = forward
    self.bounds = ForwardBounds(graph)
    self.applications = ActivationPattern.applications(of: patterns, in: graph)
    self.corrections = Corrections(graph, forward)
    var isNeeded: [Bool] = []
    for id in graph.values {
      let node = graph[id]
      var operands = node.operands[...]
      // Which of two values is taken does not vary with the comparison.
      if node.op == .elementwise(.selectGreater) { operands = operands.suffix(2) }
      // Constant but for its steps.
      if node.op == .elementwise(.binade) { operands = [] }
      // 0 but for roundings.
      if graph.correctedValue(of: id) != nil { operands = [] }
      isNeeded.append(inputs.contains(id) || operands.contains { isNeeded[$0.index] })
    }
    self.isNeeded = isNeeded
    self.sums = [GradientSum?](repeating: nil, count: graph.nodes.count)
  }

  /// The gradients of the requested inputs that have one.
  ///
  /// - Parameter upstream: The gradient of each output, by its index.
  mutating func gradients(
    of inputs: [ValueID], upstream: [Tensor]
  ) throws(GradientError) -> [ValueID: Tensor] {
    for (output, tensor) in zip(graph.outputs, upstream) {
      let shape = graph[output.value].shape
      try add(GradientSum(shape: shape, terms: [GradientTerm(tensor)]), to: output.value)
    }
    for id in graph.values.reversed() {
      // Whatever takes columns of a value follows it, so all of them are known.
      if let parts = parts[id] { try add(joined(parts, of: id), to: id) }
      guard let sum = sums[id.index], !sum.terms.isEmpty else { continue }
      // A gradient's values are written where the value is whose gradient they hand on.
      let result = TensorNode.$place.withValue(graph.location(of: id)) {
        () -> Result<Void, GradientError> in
        do throws(GradientError) {
          return .success(try propagate(sum, from: id))
        } catch {
          return .failure(error)
        }
      }
      try result.get()
    }
    var gradients: [ValueID: Tensor] = [:]
    for id in inputs { gradients[id] = try gradient(of: id) }
    return gradients
  }

  func needs(_ id: ValueID) -> Bool { isNeeded[id.index] }

  // MARK: Contributions

  /// Adds a part of a value's gradient, summed over the axes that the value is repeated along.
  ///
  /// A value without rows keeps what belongs to each row apart until its input is reached.
  mutating func add(_ part: GradientSum, to id: ValueID) throws(GradientError) {
    guard needs(id), !part.terms.isEmpty else { return }
    let shape = graph[id].shape
    var part = part
    if shape.rowExtent == 1, part.shape.rowExtent > 1 { part = part.summedOverRow(corrections) }
    if shape.hasRows, part.shape != shape { part = try summedOverLastAxes(part, to: shape, of: id) }
    guard var known = sums[id.index] else {
      sums[id.index] = part
      return
    }
    guard known.shape == part.shape else { throw .severalSums(input: forward.label(of: id)) }
    known.add(part.terms)
    sums[id.index] = known
  }

  /// Adds the gradient of columns of a value, from `start` on.
  mutating func add(
    _ part: GradientSum, toColumnsFrom start: Int, of id: ValueID
  ) throws(GradientError) {
    let label = forward.label(of: id)
    guard needs(id), let whole = try part.spread(of: "columns of \(label)") else { return }
    parts[id, default: []].append(
      ColumnGradients.Part(start: start, gradient: whole, masks: part.masks))
  }

  /// The gradients of all columns taken of a value as one row.
  private func joined(
    _ parts: [ColumnGradients.Part], of id: ValueID
  ) throws(GradientError) -> GradientSum {
    let outer = parts[0].gradient.shape.outerExtents
    guard parts.allSatisfy({ $0.gradient.shape.outerExtents == outer }) else {
      throw .severalSums(input: forward.label(of: id))
    }
    let extent = graph[id].shape.rowExtent
    let row = ColumnGradients.joined(parts, extent: extent)
    let mask = ColumnGradients.mask(of: parts, extent: extent)
    return GradientSum(
      shape: Shape(hasRows: true, extents: outer + [extent]),
      terms: [GradientTerm(row, masks: [mask])])
  }

  mutating func addWeights(_ sum: Tensor, to id: ValueID) {
    outerSums[id, default: []].append(sum)
  }

  /// The sum over axes behind which the value has no more.
  private func summedOverLastAxes(
    _ part: GradientSum, to shape: Shape, of id: ValueID
  ) throws(GradientError) -> GradientSum {
    let kept = zip(shape.extents, part.shape.extents).prefix { $0 == $1 }.count
    guard shape.extents.count == part.shape.extents.count,
      shape.extents.dropFirst(kept).allSatisfy({ $0 == 1 }),
      let whole = try part.spread(of: forward.label(of: id))
    else { throw .repeatedAxes(value: forward.label(of: id), shape: shape, within: part.shape) }
    let prefix = Array(shape.extents.prefix(kept))
    let last = part.shape.extents.dropFirst(kept).reduce(1, *)
    let flat = whole.reshaped(to: Shape(hasRows: true, extents: prefix + [last]))
    return GradientSum(shape: shape, terms: [GradientTerm(flat.sum().reshaped(to: shape))])
  }

  // MARK: Inputs

  private func gradient(of id: ValueID) throws(GradientError) -> Tensor? {
    let outer = outerSums[id] ?? []
    guard let sum = sums[id.index], !sum.terms.isEmpty else {
      guard outer.count <= 1 else { throw .severalSums(input: forward.label(of: id)) }
      return outer.first
    }
    guard outer.isEmpty else { throw .severalSums(input: forward.label(of: id)) }
    guard let total = try sum.spread(of: forward.label(of: id)) else { return nil }
    let shape = graph[id].shape
    if shape.hasRows { return total }
    // The axes of the input but the repeated ones in front; the last one stays.
    let core = shape.core
    let kept = core.isEmpty ? [1] : core
    guard total.node.error != nil || total.shape.extents.suffix(kept.count).elementsEqual(kept)
    else {
      throw .repeatedAxes(
        value: forward.label(of: id), shape: shape, within: total.shape)
    }
    return total.sumOverRows(keeping: kept.count).reshaped(to: shape)
  }
}

extension Shape {
  /// The extents without the ones in front of them.
  var core: [Int] { Array(extents.drop { $0 == 1 }) }
}

extension Tensor {
  /// The same elements under another shape.
  func reshaped(to shape: Shape) -> Tensor {
    if node.error == nil, shape == self.shape { return self }
    return Tensor.make(.reshape, [self], requested: shape, storage: storage, location: nil)
  }
}
