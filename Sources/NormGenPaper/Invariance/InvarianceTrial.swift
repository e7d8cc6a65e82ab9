import NormGen

/// One norm under the changes of Table 1.
struct InvarianceTrial {
  private let norm: InvarianceNorm
  private let layer: WeightedLayer
  private let offsets: [InvarianceChange: [Float]]
  private let shifted: any NormedLayer
  private let unshifted: any NormedLayer
  private let plain: NormedOutcome
  private let plainUnshifted: NormedOutcome

  init(
    _ norm: InvarianceNorm, _ layer: WeightedLayer, _ offsets: [InvarianceChange: [Float]],
    _ run: PaperRun
  ) throws {
    self.norm = norm
    self.layer = layer
    self.offsets = offsets
    shifted = try NormedLayers.layer(
      norm, like: layer, hasShift: true, seed: run.seed &+ 1, compiler: run.compiler)
    unshifted = try NormedLayers.layer(
      norm, like: layer, hasShift: false, seed: run.seed &+ 1, compiler: run.compiler)
    plain = try shifted.outcome(of: layer)
    plainUnshifted = try unshifted.outcome(of: layer)
  }

  func cell(_ change: InvarianceChange, expectsInvariance: Bool) throws -> InvarianceCell {
    let offset = offsets[change] ?? []
    func outcome(_ factor: Float) throws -> NormedOutcome {
      try shifted.outcome(of: layer.changed(change, factor: factor, offset: offset))
    }
    let other = try outcome(InvarianceTable.otherFactor)
    let differences = differences(plain.values, other.values)
    var powerDifference = differences.max() ?? .nan
    if change.isScaling {
      let greatest = try InvarianceTable.powersOfTwo.map { factor in
        self.differences(plain.values, try outcome(factor).values).max() ?? .nan
      }
      let isFinite = greatest.allSatisfy(\.isFinite)
      let judged = expectsInvariance ? greatest.max() : greatest.min()
      powerDifference = isFinite ? judged ?? .nan : .nan
    }
    var bounds: [Double] = []
    if expectsInvariance {
      let relation = layer.relation(
        change, factor: InvarianceTable.otherFactor, offset: offset)
      bounds = try shifted.bounds(plain, other, relation)
    }
    let ratios = zip(differences, bounds).map { $0 == 0 ? 0 : $0 / $1 }
    let isBounded = bounds.count == differences.count && bounds.allSatisfy(\.isFinite)
    return InvarianceCell(
      norm: norm, change: change, expectsInvariance: expectsInvariance,
      powerDifference: powerDifference, otherDifference: differences.max() ?? .nan,
      greatestBound: bounds.max() ?? 0,
      worstRatio: isBounded || !expectsInvariance ? ratios.max() ?? 0 : .nan,
      flip: expectsInvariance && change.isScaling ? try flip(change) : nil)
  }

  /// Not a number where either is none: no comparison holds then.
  private func differences(_ plain: [Double], _ changed: [Double]) -> [Double] {
    guard plain.count == changed.count else { return [.nan] }
    let differences = zip(plain, changed).map { abs($0 - $1) }
    return differences.allSatisfy(\.isFinite) ? differences : [.nan]
  }

  private func flip(_ change: InvarianceChange) throws -> InvarianceCell.Flip {
    let changed = try unshifted.outcome(
      of: layer.changed(change, factor: InvarianceTable.negativeFactor, offset: []))
    var flip = InvarianceCell.Flip()
    for (place, (before, after)) in zip(plainUnshifted.values, changed.values).enumerated() {
      let isScaled =
        switch change {
        case .scaledUnit: place % layer.units == WeightedLayer.unit
        case .scaledSample: place / layer.units == WeightedLayer.sample
        case .scaledWeights, .scaledData: true
        case .shiftedWeights, .shiftedData: false
        }
      if isScaled {
        flip.scaled += 1
        flip.flipped += after == -before ? 1 : 0
      } else {
        flip.others += 1
        flip.unchanged += after == before ? 1 : 0
      }
    }
    return flip
  }
}
