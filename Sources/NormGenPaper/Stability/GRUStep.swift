import NormGen

/// One step of the paper's GRU as one kernel: matmuls, norms of the summed inputs, gates, blend.
///
/// With the gates r, u = σ(norm(xW + b) + norm(hU)), the candidate
/// c = tanh(norm(hUₓ) · r + norm(xWₓ + bₓ)) and h′ = u · h + (1 − u) · c. Beside h′ the kernel
/// writes the hidden-to-hidden mapping, norm(hU) and norm(hUₓ).
struct GRUStep {
  let kernel: CompiledKernel
  let inputs: Int
  let units: Int

  init(
    _ norm: RecurrentNorm, inputs: Int, units: Int, epsilon: Float, _ compiler: Compiler
  ) throws {
    self.inputs = inputs
    self.units = units
    let x = Tensor.input("x", [.rows, .fixed(inputs)], .f32)
    let h = Tensor.input("h", [.rows, .fixed(units)], .f32)
    func product(_ value: Tensor, _ name: String, _ columns: Int) -> Tensor {
      value.matmul(
        .input(name, [.fixed(value.shape.rowExtent), .fixed(columns)], .f32))
    }
    func normed(_ value: Tensor) -> Tensor { norm(value, epsilon: epsilon) }
    let gateBias = Tensor.input("b", [.fixed(2 * units)], .f32)
    let candidateBias = Tensor.input("b_c", [.fixed(units)], .f32)
    let gatesOfInput = normed(product(x, "w", 2 * units) + gateBias)
    let candidateOfInput = normed(product(x, "w_c", units) + candidateBias)
    let gateMapping = normed(product(h, "u", 2 * units))
    let candidateMapping = normed(product(h, "u_c", units))
    let gates = (gatesOfInput + gateMapping).sigmoid().split(into: 2)
    let candidate = (candidateMapping * gates[0] + candidateOfInput).tanh()
    let next = gates[1] * h + (1 - gates[1]) * candidate
    kernel = try compiler.compile(
      Kernel(
        "gru_step_\(norm.rawValue)",
        outputs: [
          "next": next, "gate_mapping": gateMapping, "candidate_mapping": candidateMapping,
        ]))
  }

  /// The kernel's weights, drawn around a center.
  func weights(
    center: Double, deviation: Double, _ random: inout SeededGenerator
  ) throws -> [String: HostTensor] {
    func matrix(_ rows: Int, _ columns: Int) throws -> HostTensor {
      try HostTensor(
        (0..<rows * columns).map { _ in Float(center + deviation * random.normal()) },
        shape: [rows, columns])
    }
    return [
      "w": try matrix(inputs, 2 * units), "w_c": try matrix(inputs, units),
      "u": try matrix(units, 2 * units), "u_c": try matrix(units, units),
      "b": try HostTensor(zeros: [2 * units], .f32), "b_c": try HostTensor(zeros: [units], .f32),
    ]
  }
}
