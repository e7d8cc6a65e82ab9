import NormGen

/// BatchNorm with the batch's own statistics: the matmul's kernel, then a kernel over the
/// transposed summed inputs, whose row is one unit's batch.
///
/// The host transposes in between, so the size of the batch is part of the kernel.
struct BatchNormedLayer: NormedLayer {
  private let product: CompiledKernel
  private let kernel: CompiledKernel
  private let affine: Affine

  init(
    _ layer: WeightedLayer, hasShift: Bool, _ random: inout SeededGenerator, _ compiler: Compiler
  ) throws {
    affine = try Affine([layer.units, 1], hasShift: hasShift, random: &random)
    let x = Tensor.input("x", [.rows, .fixed(layer.inputs)], .f32)
    let w = Tensor.input("w", [.fixed(layer.units), .fixed(layer.inputs)], .f32)
    product = try compiler.compile(Kernel("table1_sums", x.matmul(w, layout: .outIn)))
    let batch = Tensor.input("a", [.rows, .fixed(layer.samples)], .f32)
    let gain = Tensor.input("gain", [.rows, 1], .f32)
    let shift = hasShift ? Tensor.input("shift", [.rows, 1], .f32) : nil
    kernel = try compiler.compile(
      Kernel("table1_batchNorm", batch.layerNorm(gain: gain, shift: shift, epsilon: 0)))
  }

  func outcome(of layer: WeightedLayer) throws -> NormedOutcome {
    let sums = try product(productInputs(layer))["y"]?.doubles ?? []
    var inputs = affine.tensors
    inputs["a"] = try HostTensor(
      transposed(sums, rows: layer.samples, columns: layer.units),
      shape: [layer.units, layer.samples], .f32)
    let values = try kernel(inputs)["y"]?.doubles ?? []
    return NormedOutcome(
      layer: layer, values: transposed(values, rows: layer.units, columns: layer.samples),
      inputs: inputs)
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
    let plainErrors = try errors(of: kernel, rows: units, plain.inputs)
    let changedErrors = try errors(of: kernel, rows: units, changed.inputs)
    let moves = try sumMoves(plain.layer, changed.layer, relation)
    let sums = plain.inputs["a"]?.doubles ?? []
    guard sums.count == samples * units else { return [] }
    var bounds: [Double] = []
    for unit in 0..<units {
      let row = unit * samples..<(unit + 1) * samples
      let mean = sums[row].reduce(0, +) / Double(samples)
      let squares = sums[row].map { ($0 - mean) * ($0 - mean) }
      let divisor = (squares.reduce(0, +) / Double(samples)).squareRoot()
      // The mean moves by as much as the elements.
      let most = 2 * moves[unit]
      for place in row {
        let moved = movement(of: sums[place] - mean, by: most, length: divisor, lengthMove: most)
        bounds.append(
          plainErrors[place] + changedErrors[place] + abs(affine.gain[unit]) * moved)
      }
    }
    return transposed(bounds, rows: units, columns: samples)
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

  private func transposed(_ elements: [Double], rows: Int, columns: Int) -> [Double] {
    guard elements.count == rows * columns else { return [] }
    return (0..<columns).flatMap { column in
      (0..<rows).map { elements[$0 * columns + column] }
    }
  }
}
