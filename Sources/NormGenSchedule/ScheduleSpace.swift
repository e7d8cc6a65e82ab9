import NormGenIR

/// A choice that a schedule makes among some values.
public struct Knob<Value>: Sendable {
  /// The name, such as `row_tile`, behind that of what it is a knob of.
  public let name: String
  /// How many values it has, at least one.
  public let count: Int
  /// Takes the value at an index below ``count``.
  let set: @Sendable (inout Value, Int) -> Void

  /// A knob that is a property of a schedule.
  ///
  /// - Parameter values: Those it may have; not empty.
  public init<Choice: Sendable>(
    _ name: String, _ property: any WritableKeyPath<Value, Choice> & Sendable, _ values: [Choice]
  ) {
    self.init(name: name, count: values.count) { $0[keyPath: property] = values[$1] }
  }

  init(name: String, count: Int, set: @escaping @Sendable (inout Value, Int) -> Void) {
    precondition(count > 0, "the knob '\(name)' has no value")
    self.name = name
    self.count = count
    self.set = set
  }
}

/// Schedules that differ in some knobs: what a search goes through. No bit depends on which is taken.
public struct ScheduleSpace<Value: Sendable>: Sendable {
  /// What the knobs are set in.
  public let base: Value
  /// The choices, independent of each other.
  public let knobs: [Knob<Value>]

  /// A space; without knobs it is the base alone.
  public init(_ base: Value, knobs: [Knob<Value>] = []) {
    self.base = base
    self.knobs = knobs
  }

  /// How many schedules there are, at most `Int.max`.
  public var count: Int {
    knobs.reduce(1) { count, knob in
      let (product, overflow) = count.multipliedReportingOverflow(by: knob.count)
      return overflow ? .max : product
    }
  }

  /// The schedule whose knobs have the values at `choices`.
  private func schedule(_ choices: some Sequence<Int>) -> Value {
    var schedule = base
    for (knob, choice) in zip(knobs, choices) { knob.set(&schedule, choice) }
    return schedule
  }

  /// The schedule at an index below ``count``; the first knob changes fastest.
  public subscript(index: Int) -> Value {
    var rest = index
    return schedule(
      knobs.map { knob in
        defer { rest /= knob.count }
        return rest % knob.count
      })
  }

  /// A schedule with each value of each knob as likely as the others.
  public func drawn(using random: inout some RandomNumberGenerator) -> Value {
    schedule(knobs.map { Int(random.next() % UInt64($0.count)) })
  }

  /// As few schedules as have each value of each knob once.
  public var samples: [Value] {
    (0..<(knobs.map(\.count).max() ?? 1)).map { sample in
      schedule(knobs.enumerated().map { (sample + $0.offset) % $0.element.count })
    }
  }
}

extension ScheduleSpace<KernelSchedule> {
  /// The schedules of a kernel by a strategy that applies to all its regions: each region and each
  /// product has knobs of its own.
  public init(of plan: KernelPlan, strategy: any Strategy, target: Target) {
    var base = KernelSchedule()
    var knobs: [Knob<KernelSchedule>] = []
    for region in plan.regions {
      let name = region.graph.name
      let space = strategy.space(for: region, target: target)
      base.regions[name] = space.base
      knobs += space.knobs.map { knob in
        Knob(name: "\(name).\(knob.name)", count: knob.count) {
          knob.set(&$0.regions[name, default: space.base], $1)
        }
      }
    }
    if plan.hasSteps {
      let space = ScheduleSpace<MatmulSchedule>(of: plan)
      base.matmul = space.base
      knobs += space.knobs.map { knob in
        Knob(name: knob.name, count: knob.count) { schedule, choice in
          var matmul = schedule.matmul ?? space.base
          knob.set(&matmul, choice)
          schedule.matmul = matmul
        }
      }
    }
    self.init(base, knobs: knobs)
  }
}

extension ScheduleSpace<MatmulSchedule> {
  /// The schedules of a plan's matmuls: each product has knobs of its own.
  fileprivate init(of plan: KernelPlan) {
    var base = MatmulSchedule()
    var knobs = [
      Knob("most_chunk_rows", \MatmulSchedule.mostChunkRows, [base.mostChunkRows, 5]),
      Knob("most_panel_bytes", \.mostPanelBytes, [base.mostPanelBytes, 1]),
      Knob("gathered_bytes", \.gatheredBytes, [base.gatheredBytes, 1]),
    ]
    // Sums over rows fix the chunks themselves.
    if plan.totals.isEmpty { knobs.append(Knob("chunk_rows", \.chunkRows, [nil, 1, 14, 28, 40])) }
    for weights in plan.weights {
      let product = base.product(weights)
      base.products[weights] = product
      let steps = [product.weightStepsAhead, 0]
      knobs += [
        Knob(name: "\(weights).packs_weights", count: 2) {
          $0.products[weights, default: product].packsWeights = $1 == 0
        },
        Knob(name: "\(weights).weight_steps_ahead", count: steps.count) {
          $0.products[weights, default: product].weightStepsAhead = steps[$1]
        },
        // Beyond a target's last tile it is the last.
        Knob(name: "\(weights).tile", count: 2) {
          $0.products[weights, default: product].tile = $1
        },
      ]
    }
    self.init(base, knobs: knobs)
  }
}
