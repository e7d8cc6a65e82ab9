private import Foundation

/// Times of several actions that were measured in turns, so that drift of the machine meets all.
public struct InterleavedTiming: Sendable {
  /// Seconds of one call, by action and round.
  public let seconds: [[Double]]

  /// Measures `actions` in rounds; each round times every action once, in rotating order.
  ///
  /// An action is repeated inside a round until the round's share of `roundSeconds` is filled, so
  /// that the clock's resolution does not show.
  ///
  /// - Parameters:
  ///   - rounds: The number of rounds; at least 3.
  ///   - roundSeconds: The least time of one action in one round.
  ///   - actions: What is timed.
  public init(rounds: Int, roundSeconds: Double, _ actions: [() -> Void]) {
    let repetitions = actions.map { action in
      InterleavedTiming.repetitions(of: action, filling: roundSeconds)
    }
    var seconds = [[Double]](repeating: [], count: actions.count)
    for round in 0..<max(rounds, 3) {
      for turn in actions.indices {
        let index = (turn + round) % actions.count
        // One untimed call brings the action's own data back into the caches.
        actions[index]()
        let start = InterleavedTiming.now()
        for _ in 0..<repetitions[index] { actions[index]() }
        seconds[index].append((InterleavedTiming.now() - start) / Double(repetitions[index]))
      }
    }
    self.seconds = seconds
  }

  /// The median time of an action's call.
  public func median(_ action: Int) -> Double { Spread(seconds[action]).median }

  /// The ratios of one action's time to another's, round by round.
  public func ratio(of numerator: Int, to denominator: Int) -> Spread {
    Spread(zip(seconds[numerator], seconds[denominator]).map { $0 / $1 })
  }

  /// How many of `amount` an action does in a second, round by round.
  public func rate(of amount: Double, by action: Int) -> Spread {
    Spread(seconds[action].map { amount / $0 })
  }

  private static func repetitions(of action: () -> Void, filling target: Double) -> Int {
    action()
    var count = 1
    while true {
      let start = now()
      for _ in 0..<count { action() }
      let elapsed = now() - start
      if elapsed >= target { return count }
      let wanted = Double(count) * target / max(elapsed, 1e-9)
      count = max(count + 1, min(Int(wanted * 1.1) + 1, count * 16))
    }
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// The median and the quartiles of measured numbers.
public struct Spread: Hashable, Sendable, Codable {
  /// The middle value.
  public let median: Double
  /// A quarter of the values lie below.
  public let lowerQuartile: Double
  /// A quarter of the values lie above.
  public let upperQuartile: Double

  /// The spread of at least one value.
  public init(_ values: [Double]) {
    let sorted = values.sorted()
    func quantile(_ part: Double) -> Double {
      guard let last = sorted.last else { return .nan }
      let place = part * Double(sorted.count - 1)
      let lower = sorted[Int(place)]
      let upper = Int(place) + 1 < sorted.count ? sorted[Int(place) + 1] : last
      return lower + (upper - lower) * (place - place.rounded(.down))
    }
    median = quantile(0.5)
    lowerQuartile = quantile(0.25)
    upperQuartile = quantile(0.75)
  }
}
