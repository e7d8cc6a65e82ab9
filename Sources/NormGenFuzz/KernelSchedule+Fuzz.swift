import NormGen

extension KernelSchedule {
  /// The same knobs by another strategy, if there is one.
  func by(_ strategy: String?) -> KernelSchedule {
    guard let strategy else { return self }
    var schedule = self
    schedule.region?.strategy = strategy
    for name in regions.keys { schedule.regions[name]?.strategy = strategy }
    return schedule
  }

  /// The knobs of one region and of one product for all: no name stands in it.
  var withoutNames: KernelSchedule {
    var schedule = self
    schedule.region = region ?? regions.min { $0.key < $1.key }?.value
    schedule.regions = [:]
    if let product = matmul?.products.min(by: { $0.key < $1.key })?.value {
      schedule.matmul?.packsWeights = product.packsWeights
      schedule.matmul?.weightStepsAhead = product.weightStepsAhead
      schedule.matmul?.tile = product.tile
      schedule.matmul?.products = [:]
    }
    return schedule
  }
}
