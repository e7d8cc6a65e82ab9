import NormGen

/// LayerNorm, RMSNorm or partial RMSNorm of a sample's summed inputs: one kernel with the matmul.
struct RowNormedLayer: NormedLayer {
  /// The paper's window.
  static let fraction = 0.0625

  private let norm: InvarianceNorm
  private let kernel: CompiledKernel
  private let affine: Affine

  init(
    _ norm: InvarianceNorm, _ layer: WeightedLayer, hasShift: Bool,
    _ random: inout SeededGenerator, _ compiler: Compiler
  ) throws {
    self.norm = norm
    affine = try Affine([layer.units], hasShift: hasShift, random: &random)
    let x = Tensor.input("x", [.rows, .fixed(layer.inputs)], .f32)
    let w = Tensor.input("w", [.fixed(layer.units), .fixed(layer.inputs)], .f32)
    let gain = Tensor.input("gain", [.fixed(layer.units)], .f32)
    let shift = hasShift ? Tensor.input("shift", [.fixed(layer.units)], .f32) : nil
    let summed = x.matmul(w, layout: .outIn)
    let y =
      switch norm {
      case .layerNorm: summed.layerNorm(gain: gain, shift: shift, epsilon: 0)
      case .partialRMSNorm:
        summed.rmsNorm(
          gain: gain, shift: shift, epsilon: 0, statistics: .leading(fraction: Self.fraction))
      case .rmsNorm, .batchNorm, .weightNorm:
        summed.rmsNorm(gain: gain, shift: shift, epsilon: 0)
      }
    kernel = try compiler.compile(Kernel("table1_\(norm.rawValue)", y))
  }

  func outcome(of layer: WeightedLayer) throws -> NormedOutcome {
    var inputs = affine.tensors
    inputs["x"] = try HostTensor(layer.data, shape: [layer.samples, layer.inputs])
    inputs["w"] = try HostTensor(layer.weights, shape: [layer.units, layer.inputs])
    return NormedOutcome(
      layer: layer, values: try kernel(inputs)["y"]?.doubles ?? [], inputs: inputs)
  }

  func bounds(
    _ plain: NormedOutcome, _ changed: NormedOutcome, _ relation: WeightedLayer.Relation
  ) throws -> [Double] {
    let (samples, units) = (plain.layer.samples, plain.layer.units)
    let plainErrors = try errors(of: kernel, rows: samples, plain.inputs)
    let changedErrors = try errors(of: kernel, rows: samples, changed.inputs)
    let before = plain.layer.summedInputs
    let after = changed.layer.summedInputs
    var bounds: [Double] = []
    for sample in 0..<samples {
      let row = sample * units..<(sample + 1) * units
      var distance = 0.0
      for unit in 0..<units {
        let scale = relation.scale(sample, unit)
        let expected = scale * before[row.lowerBound + unit] + relation.shift(sample, unit)
        distance = max(distance, abs(after[row.lowerBound + unit] - expected) / abs(scale))
      }
      let mean = norm == .layerNorm ? before[row].reduce(0, +) / Double(units) : 0
      let count = try window.count(in: units)
      let squares = before[row].prefix(count).map { ($0 - mean) * ($0 - mean) }
      let divisor = (squares.reduce(0, +) / Double(count)).squareRoot()
      // The mean moves by as much as the elements.
      let most = norm == .layerNorm ? 2 * distance : distance
      for place in row {
        let moved = movement(
          of: before[place] - mean, by: most, length: divisor, lengthMove: most)
        let gain = abs(affine.gain[place - row.lowerBound])
        bounds.append(plainErrors[place] + changedErrors[place] + gain * moved)
      }
    }
    return bounds
  }

  private var window: StatisticWindow {
    norm == .partialRMSNorm ? .leading(fraction: Self.fraction) : .all
  }
}
