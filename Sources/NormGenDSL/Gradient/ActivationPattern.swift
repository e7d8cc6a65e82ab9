import NormGenIR

/// The steps of an activation that has a derivative of its own, to be found in graphs.
///
/// The graph alone decides: whether an activation was called by its name, read from text or written
/// out step by step, its gradient is the same.
struct ActivationPattern {
  /// A value of a graph that is an activation of another one.
  struct Application {
    let operand: ValueID
    fileprivate let name: String
    fileprivate let derivative: @Sendable (Tensor) -> Tensor

    /// The derivative at the operand's value.
    func slope(_ operand: Tensor) -> Tensor {
      Tensor.composed("\(name)_derivative") { derivative(operand) }
    }
  }

  private let name: String
  private let derivative: @Sendable (Tensor) -> Tensor
  private let graph: Graph
  private let result: ValueID

  /// The pattern of an activation; nil for one without a derivative of its own, or that is its operand.
  ///
  /// - Throws: ``GradientError/notElementwise(activation:)``; the error of the activation's own graph.
  init?(_ activation: Activation) throws(GradientError) {
    guard let derivative = activation.derivative else { return nil }
    let graph: Graph
    do {
      graph = try Kernel(activation.name, activation(.input("x", [.rows, 2], .f32))).graph()
    } catch { throw .graph(error) }
    guard
      graph.nodes.allSatisfy({ $0.op.traits.isLeaf || $0.op.traits.family == .elementwise })
    else { throw .notElementwise(activation: activation.name) }
    guard graph.inputs.count == 1, let result = graph.outputs.first?.value,
      !graph.inputs.contains(result)
    else { return nil }
    self.name = activation.name
    self.derivative = derivative
    self.graph = graph
    self.result = result
  }

  /// The values of a graph that are one of the patterns, of several the one of the most steps; of equal
  /// ones the first.
  static func applications(
    of patterns: [ActivationPattern], in graph: Graph
  ) -> [ValueID: Application] {
    let bySize = patterns.enumerated().sorted {
      let (left, right) = ($0.element.graph.nodes.count, $1.element.graph.nodes.count)
      return left != right ? left > right : $0.offset < $1.offset
    }
    var applications: [ValueID: Application] = [:]
    for id in graph.values {
      for (_, pattern) in bySize {
        guard let operand = pattern.operand(of: id, in: graph) else { continue }
        applications[id] = Application(
          operand: operand, name: pattern.name, derivative: pattern.derivative)
        break
      }
    }
    return applications
  }

  /// What the value is the activation of; nil if it is not.
  private func operand(of id: ValueID, in other: Graph) -> ValueID? {
    var found: [ValueID: ValueID] = [result: id]
    // Whatever uses a step of the pattern follows it.
    for step in graph.values.reversed() {
      guard let value = found[step] else { continue }
      let (node, candidate) = (graph[step], other[value])
      if case .input = node.op { continue }
      guard node.op == candidate.op, node.operands.count == candidate.operands.count else {
        return nil
      }
      for (left, right) in zip(node.operands, candidate.operands) {
        if let known = found[left], known != right { return nil }
        found[left] = right
      }
    }
    return graph.inputs.first.flatMap { found[$0] }
  }
}
