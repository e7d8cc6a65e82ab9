import NormGen

/// WeightNorm: a kernel over the rows of the weights, and the matmul with its result.
struct WeightNormedLayer: NormedLayer {
  private let weightKernel: CompiledKernel
  private let kernel: CompiledKernel
  private let affine: Affine

  init(
    _ layer: WeightedLayer, hasShift: Bool, _ random: inout SeededGenerator, _ compiler: Compiler
  ) throws {
    affine = try Affine([layer.units, 1], hasShift: hasShift, random: &random)
    let rows = Tensor.input("w", [.rows, .fixed(layer.inputs)], .f32)
    let gain = Tensor.input("gain", [.rows, 1], .f32)
    weightKernel = try compiler.compile(
      Kernel("table1_weightNorm_weights", rows.weightNorm(gain: gain)))
    let x = Tensor.input("x", [.rows, .fixed(layer.inputs)], .f32)
    let w = Tensor.input("w", [.fixed(layer.units), .fixed(layer.inputs)], .f32)
    let summed = x.matmul(w, layout: .outIn)
    let y = hasShift ? summed + Tensor.input("shift", [.fixed(layer.units)], .f32) : summed
    kernel = try compiler.compile(Kernel("table1_weightNorm", y))
  }

  func outcome(of layer: WeightedLayer) throws -> NormedOutcome {
    let shape = [layer.units, layer.inputs]
    let weights = try weightKernel(weightInputs(layer))
    var inputs = ["x": try HostTensor(layer.data, shape: [layer.samples, layer.inputs])]
    inputs["w"] = try weights["y"] ?? HostTensor(zeros: shape, .f32)
    if let shift = affine.shift {
      inputs["shift"] = try HostTensor(shift.doubles, shape: [layer.units], .f32)
    }
    return NormedOutcome(
      layer: layer, values: try kernel(inputs)["y"]?.doubles ?? [], inputs: inputs)
  }

  private func weightInputs(_ layer: WeightedLayer) throws -> [String: HostTensor] {
    [
      "w": try HostTensor(layer.weights, shape: [layer.units, layer.inputs]),
      "gain": affine.gain,
    ]
  }

  func bounds(
    _ plain: NormedOutcome, _ changed: NormedOutcome, _ relation: WeightedLayer.Relation
  ) throws -> [Double] {
    let layer = plain.layer
    let moved = try weightBounds(layer, changed.layer, relation)
    let plainErrors = try errors(of: kernel, rows: layer.samples, plain.inputs)
    let changedErrors = try errors(of: kernel, rows: layer.samples, changed.inputs)
    var bounds: [Double] = []
    for sample in 0..<layer.samples {
      for unit in 0..<layer.units {
        var bound = plainErrors[bounds.count] + changedErrors[bounds.count]
        for input in 0..<layer.inputs {
          bound +=
            abs(Double(layer.data[sample * layer.inputs + input]))
            * moved[unit * layer.inputs + input]
        }
        bounds.append(bound)
      }
    }
    return bounds
  }

  /// How far the normalized weights of both layers may be from one another.
  private func weightBounds(
    _ plain: WeightedLayer, _ changed: WeightedLayer, _ relation: WeightedLayer.Relation
  ) throws -> [Double] {
    var bounds = zip(
      try errors(of: weightKernel, rows: plain.units, weightInputs(plain)),
      try errors(of: weightKernel, rows: plain.units, weightInputs(changed))
    ).map(+)
    for unit in 0..<plain.units {
      let row = unit * plain.inputs..<(unit + 1) * plain.inputs
      let scale = relation.scale(0, unit)
      let moves = row.map { place in
        abs(Double(changed.weights[place]) - scale * Double(plain.weights[place])) / abs(scale)
      }
      let length = row.map { Double(plain.weights[$0]) * Double(plain.weights[$0]) }
        .reduce(0, +).squareRoot()
      let lengthMove = moves.map { $0 * $0 }.reduce(0, +).squareRoot()
      for (place, move) in zip(row, moves) {
        bounds[place] +=
          abs(affine.gain[unit])
          * movement(
            of: Double(plain.weights[place]), by: move, length: length, lengthMove: lengthMove)
      }
    }
    return bounds
  }
}
