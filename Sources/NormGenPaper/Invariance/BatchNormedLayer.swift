import NormGen

/// BatchNorm with the batch's own statistics: the matmul's kernel, then those of the norm.
struct BatchNormedLayer: NormedLayer {
  private let product: CompiledKernel
  private let norm: BatchNormTraining
  private let meaning: Graph
  private let affine: Affine

  init(
    _ layer: WeightedLayer, hasShift: Bool, _ random: inout SeededGenerator, _ compiler: Compiler
  ) throws {
    affine = try Affine([layer.units], hasShift: hasShift, random: &random)
    let x = Tensor.input("x", [.rows, .fixed(layer.inputs)], .f32)
    let w = Tensor.input("w", [.fixed(layer.units), .fixed(layer.inputs)], .f32)
    product = try compiler.compile(Kernel("table1_sums", x.matmul(w, layout: .outIn)))
    let shape = BatchNormTraining.Layer(
      channels: layer.units, hasShift: hasShift, epsilon: 0)
    norm = try BatchNormTraining(shape, compiler: compiler)
    meaning = try BatchNormTraining.meaning(of: shape).graph()
  }

  func outcome(of layer: WeightedLayer) throws -> NormedOutcome {
    guard let sums = try product(productInputs(layer))["y"] else {
      return NormedOutcome(layer: layer, values: [], inputs: [:])
    }
    let values = try norm.forward(sums, gain: affine.gain, shift: affine.shift).output
    var inputs = affine.tensors
    inputs["x"] = sums
    return NormedOutcome(layer: layer, values: values.doubles, inputs: inputs)
  }

  private func productInputs(_ layer: WeightedLayer) throws -> [String: HostTensor] {
    [
      "x": try HostTensor(layer.data, shape: [layer.samples, layer.inputs]),
      "w": try HostTensor(layer.weights, shape: [layer.units, layer.inputs]),
    ]
  }

  func bounds(
    _ plain: NormedOutcome, _ changed: NormedOutcome, _ relation: WeightedLayer.Relation
  ) throws -> [Double] {
    let (samples, units) = (plain.layer.samples, plain.layer.units)
    let plainErrors = try errors(plain)
    let changedErrors = try errors(changed)
    let moves = try sumMoves(plain.layer, changed.layer, relation)
    let sums = plain.inputs["x"]?.doubles ?? []
    guard sums.count == samples * units else { return [] }
    var bounds = [Double](repeating: .infinity, count: sums.count)
    for unit in 0..<units {
      let places = stride(from: unit, to: sums.count, by: units)
      let mean = places.map { sums[$0] }.reduce(0, +) / Double(samples)
      let squares = places.map { (sums[$0] - mean) * (sums[$0] - mean) }
      let divisor = (squares.reduce(0, +) / Double(samples)).squareRoot()
      // The mean moves by as much as the elements.
      let most = 2 * moves[unit]
      for place in places {
        let moved = movement(of: sums[place] - mean, by: most, length: divisor, lengthMove: most)
        bounds[place] =
          plainErrors[place] + changedErrors[place] + abs(affine.gain[unit]) * moved
      }
    }
    return bounds
  }

  /// The oracle's bounds on the norm's kernels, for the sums that they read.
  private func errors(_ outcome: NormedOutcome) throws -> [Double] {
    let outputs = try GraphInterpreter.outputs(
      of: meaning, rows: outcome.layer.samples, inputs: outcome.inputs)
    return outputs.first?.map(\.error) ?? []
  }

  /// How far a unit's summed inputs, as the kernels computed them, may be from the relation.
  private func sumMoves(
    _ plain: WeightedLayer, _ changed: WeightedLayer, _ relation: WeightedLayer.Relation
  ) throws -> [Double] {
    let plainErrors = try errors(of: product, rows: plain.samples, productInputs(plain))
    let changedErrors = try errors(of: product, rows: plain.samples, productInputs(changed))
    let before = plain.summedInputs
    let after = changed.summedInputs
    return (0..<plain.units).map { unit in
      (0..<plain.samples).map { sample in
        let place = sample * plain.units + unit
        let scale = relation.scale(sample, unit)
        let distance = abs(after[place] - scale * before[place] - relation.shift(sample, unit))
        return (distance + changedErrors[place]) / abs(scale) + plainErrors[place]
      }.max() ?? 0
    }
  }
}
