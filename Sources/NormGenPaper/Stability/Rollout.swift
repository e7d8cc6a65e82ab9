import NormGen

/// The hidden-to-hidden mapping of a recurrent cell, step by step.
struct Rollout {
  /// One step's mapping over all samples and units.
  struct Step {
    let mean: Double
    let deviation: Double
    /// The mapping's root mean square.
    let rootMeanSquare: Double
    /// The part of the mapping beyond ±4, where a sigmoid is within 2 % of 0 or 1.
    let saturated: Double

    /// The deviation among the units of one sequence, the mean over the sequences.
    let deviationOfUnits: Double

    /// The mapping of each sequence.
    init(_ sequences: [[Double]]) {
      let all = Moments(sequences.flatMap { $0 })
      mean = all.mean
      deviation = all.deviation
      rootMeanSquare = (all.mean * all.mean + all.deviation * all.deviation).squareRoot()
      saturated = all.beyondFour
      deviationOfUnits =
        sequences.reduce(0) { $0 + Moments($1).deviation } / Double(sequences.count)
    }
  }

  private struct Moments {
    let mean: Double
    let deviation: Double
    let beyondFour: Double

    init(_ values: [Double]) {
      let count = Double(values.count)
      let mean = values.reduce(0, +) / count
      self.mean = mean
      let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      deviation = square.squareRoot()
      beyondFour = Double(values.count { abs($0) > 4 }) / count
    }
  }

  let norm: RecurrentNorm
  let steps: [Step]

  init(norm: RecurrentNorm, steps: [Step]) {
    self.norm = norm
    self.steps = steps
  }

  /// Runs a cell from a hidden state over seeded inputs; every variant sees the same numbers.
  init(
    _ norm: RecurrentNorm, size: RolloutSize, center: Double, seed: UInt64, _ compiler: Compiler
  ) throws {
    let cell = try GRUStep(
      norm, inputs: size.inputs, units: size.units, epsilon: RecurrentStability.epsilon, compiler)
    var random = SeededGenerator(seed: seed)
    let weights = try cell.weights(
      center: center, deviation: RecurrentStability.deviation, &random)
    // The weights are packed once for all steps.
    var packed: [String: PackedWeights] = [:]
    for product in cell.kernel.lowering.program.products where product.isPacked {
      packed[product.weights] = try weights[product.weights]?.withUnsafeBytes { bytes in
        try cell.kernel.packed(product.weights, KernelArgument(bytes))
      }
    }
    var state = try HostTensor(
      (0..<size.samples * size.units).map { _ in Float(2 * random.uniform() - 1) },
      shape: [size.samples, size.units])
    var steps: [Step] = []
    for _ in 0..<size.steps {
      let x = try HostTensor(
        (0..<size.samples * size.inputs).map { _ in Float(random.normal()) },
        shape: [size.samples, size.inputs])
      let outputs = try Rollout.call(
        cell.kernel, rows: size.samples, weights.merging(["x": x, "h": state]) { $1 }, packed)
      let gates = outputs["gate_mapping"]?.doubles ?? []
      let candidates = outputs["candidate_mapping"]?.doubles ?? []
      steps.append(
        Step(
          (0..<size.samples).map { sample in
            Array(gates.dropFirst(sample * 2 * size.units).prefix(2 * size.units))
              + candidates.dropFirst(sample * size.units).prefix(size.units)
          }))
      state = outputs["next"] ?? state
    }
    self.norm = norm
    self.steps = steps
  }

  private static func call(
    _ kernel: CompiledKernel, rows: Int, _ inputs: [String: HostTensor],
    _ packed: [String: PackedWeights]
  ) throws -> [String: HostTensor] {
    var outputs: [String: HostTensor] = [:]
    for parameter in kernel.parameters where parameter.isOutput {
      outputs[parameter.name] = try HostTensor(
        zeros: [rows] + parameter.shape.extents, parameter.storage)
    }
    let arguments = try kernel.parameters.map { parameter -> KernelArgument in
      if parameter.isOutput,
        let argument = outputs[parameter.name]?.withUnsafeMutableBytes({
          KernelArgument($0)
        })
      {
        return argument
      }
      if let weights = packed[parameter.name] { return KernelArgument(weights) }
      guard let tensor = inputs[parameter.name] else {
        throw CallError.missing(parameter: parameter.name)
      }
      return tensor.withUnsafeBytes { KernelArgument($0) }
    }
    try withExtendedLifetime((inputs, outputs)) { try kernel(rows: rows, arguments) }
    return outputs
  }
}

/// The extents of a rollout.
struct RolloutSize {
  let inputs: Int
  let units: Int
  let samples: Int
  let steps: Int
}
