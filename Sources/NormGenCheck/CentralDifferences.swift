package import NormGen

/// Derivatives of L = Σ ⟨d_y, y⟩ by central differences of the oracle's Float64 values.
///
/// Inputs lie on a grid so coarse that every step is exact in Float32.
package struct CentralDifferences {
  private let graph: Graph
  private let rows: Int
  /// The inputs of the kernel and the gradients of its outputs.
  package let tensors: [String: HostTensor]

  /// The finest step; 2 and 4 times of it are taken, too.
  static let step = 0x1p-9

  package init(_ graph: Graph, rows: Int, seed: UInt64) throws {
    self.graph = graph
    self.rows = rows
    var tensors = try RandomInputs.tensors(for: graph, rows: rows, seed: seed)
    var random = SeededGenerator(seed: seed &+ 1)
    for output in graph.outputs {
      let shape = [rows] + graph[output.value].shape.extents
      let count = try HostTensor.count(of: shape)
      tensors["d_\(output.name)"] = try HostTensor(
        (0..<count).map { _ in random.normal() }, shape: shape, .f32)
    }
    for (name, tensor) in tensors {
      let grid = tensor.doubles.map { ($0 * 0x1p10).rounded() * 0x1p-10 }
      tensors[name] = try HostTensor(grid, shape: tensor.shape, .f32)
    }
    self.tensors = tensors
  }

  /// L, and Σ |d_y · y|, with one element moved.
  private func value(
    moving name: String, _ element: Int, by step: Double
  ) throws -> (sum: Double, size: Double) {
    var inputs = tensors.filter { !isUpstream($0.key) }
    if let tensor = inputs[name] {
      var elements = tensor.doubles
      elements[element] += step
      inputs[name] = try HostTensor(elements, shape: tensor.shape, .f32)
    }
    let values = try GraphInterpreter.allValues(of: graph, rows: rows, inputs: inputs)
    var result = (sum: 0.0, size: 0.0)
    for output in graph.outputs {
      let upstream = tensors["d_\(output.name)"]?.doubles ?? []
      for (y, d) in zip(values[output.value.index], upstream) {
        result.sum += y.value * d
        result.size += abs(y.value * d)
      }
    }
    return result
  }

  package func isUpstream(_ name: String) -> Bool {
    graph.outputs.contains { "d_\($0.name)" == name }
  }

  /// ∂L/∂element with a bound on what truncation and the Float64 evaluation leave of it.
  ///
  /// Differences over h, 2h and 4h give two extrapolations to h = 0, whose errors are as h⁴; what
  /// they differ by is 15 times the error of the finer one.
  package func derivative(by name: String, _ element: Int) throws -> (value: Double, error: Double)
  {
    var differences: [Double] = []
    var evaluation = 0.0
    for factor in [1.0, 2, 4] {
      let h = factor * Self.step
      let above = try value(moving: name, element, by: h)
      let below = try value(moving: name, element, by: -h)
      differences.append((above.sum - below.sum) / (2 * h))
      // Each operation before L is off by at most 2⁻⁵³ of what it adds to.
      let operations = Double(
        graph.nodes.count + (graph.nodes.map(\.shape.elementsPerRow).max() ?? 0))
      evaluation = max(evaluation, (above.size + below.size) * operations * 0x1p-53 / (2 * h))
    }
    let fine = (4 * differences[0] - differences[1]) / 3
    let coarse = (4 * differences[1] - differences[2]) / 3
    return (fine, abs(fine - coarse) + 2 * evaluation)
  }

  /// One gradient beside the differences.
  package struct Comparison: Sendable {
    /// The input that was differentiated by.
    package let input: String
    /// The number of elements.
    package fileprivate(set) var count = 0
    /// Differences known to 2⁻¹⁰ of the largest gradient.
    package fileprivate(set) var informative = 0
    /// The largest |gradient − difference| by its bound: at most 1 where they agree.
    package fileprivate(set) var worstRatio = 0.0
    /// The first element outside its bound, in words; nil if there is none.
    package fileprivate(set) var mistake: String?

    /// Whether all elements agree and most differences could tell.
    ///
    /// Near a kink the differences say nothing; that must stay the exception.
    package var agrees: Bool { mistake == nil && 2 * informative > count }
  }

  /// The gradients of the kernel `gradient`, one by one, beside the differences.
  ///
  /// - Parameter outputs: What a compiled `gradient` wrote, to be judged in place of the oracle's
  ///   own values; the oracle's bound on it is added.
  package func comparisons(
    with gradient: Graph, outputs: [String: HostTensor] = [:]
  ) throws -> [Comparison] {
    let needed = Set(gradient.inputs.compactMap { gradient[$0].inputName })
    let values = try GraphInterpreter.allValues(
      of: gradient, rows: rows, inputs: tensors.filter { needed.contains($0.key) })
    return try gradient.outputs.filter { $0.name.hasPrefix("d_") }.map { output in
      let name = String(output.name.dropFirst(2))
      var comparison = Comparison(input: name)
      let derived = values[output.value.index]
      let written = outputs[output.name]?.doubles
      let size = derived.map { abs($0.value) }.max() ?? 0
      for (element, oracle) in derived.enumerated() {
        let expected = try derivative(by: name, element)
        let found = written.map { element < $0.count ? $0[element] : .nan } ?? oracle.value
        let bound = expected.error + oracle.error
        comparison.count += 1
        if bound <= 0x1p-10 * size { comparison.informative += 1 }
        let distance = abs(found - expected.value)
        if distance > 0 { comparison.worstRatio = max(comparison.worstRatio, distance / bound) }
        if !(distance <= bound), comparison.mistake == nil {
          comparison.mistake =
            "d_\(name)[\(element)] is \(found) ± \(oracle.error) instead of "
            + "\(expected.value) ± \(expected.error)"
        }
      }
      return comparison
    }
  }

  /// What the gradient kernel `gradient` gets wrong; nil if it agrees everywhere.
  package func mistake(in gradient: Graph) throws -> String? {
    let comparisons = try comparisons(with: gradient)
    if let mistake = comparisons.lazy.compactMap(\.mistake).first { return mistake }
    let informative = comparisons.map(\.informative).reduce(0, +)
    let count = comparisons.map(\.count).reduce(0, +)
    guard 2 * informative > count else {
      return "only \(informative) of \(count) differences are exact enough to tell anything"
    }
    return nil
  }
}
