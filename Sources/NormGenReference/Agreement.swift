import NormGenIR
public import NormGenTensors

/// How a kernel's output compares with the oracle, judged by the derived bound alone.
public struct Agreement: Hashable, Sendable {
  /// The element where the kernel came closest to its bound, or went furthest beyond it.
  public struct Worst: Hashable, Sendable {
    /// The row-major position in the output.
    public let position: Int
    /// What the kernel wrote.
    public let kernel: Double
    /// The oracle's value.
    public let oracle: Double
    /// |kernel − oracle|.
    public let error: Double
    /// The bound on it.
    public let bound: Double
    /// error / bound; infinite beyond a bound of zero or for a wrong class of value.
    public let ratio: Double
  }

  /// The number of elements compared.
  public private(set) var count = 0
  /// Elements that are the oracle's value exactly.
  public private(set) var exact = 0
  /// Elements whose bound says nothing, because a result may or may not overflow.
  public private(set) var vacuous = 0
  /// Elements that must be NaN.
  public private(set) var notANumber = 0
  /// Elements outside their bound.
  public private(set) var failures = 0
  /// The largest distance in units in the last place of the storage type.
  public private(set) var greatestUlps = 0.0
  /// Elements that are the value of the storage type nearest to the oracle's.
  public private(set) var correctlyRounded = 0
  /// The finite distances of all elements in units in the last place at the oracle's value.
  public private(set) var ulps: [Double] = []
  /// The worst element; nil if there are none.
  public private(set) var worst: Worst?
  /// The ratios error / bound of all elements with a positive, finite bound, for their median.
  public private(set) var ratios: [Double] = []

  /// Whether every element lies inside its bound.
  public var passes: Bool { failures == 0 }

  /// Elements that the bound says something about: numbers whose bound is finite.
  public var telling: Int { count - vacuous - notANumber }

  /// The median of error / bound over the elements with a positive, finite bound, the upper of two;
  /// 0 if there are none.
  public var medianRatio: Double {
    ratios.isEmpty ? 0 : ratios.sorted()[ratios.count / 2]
  }

  /// The distance in units in the last place that a share of the elements does not exceed.
  ///
  /// - Parameter share: From 0 to 1: 0.5 for the median.
  public func ulps(ofShare share: Double) -> Double {
    guard !ulps.isEmpty else { return 0 }
    let position = (Double(ulps.count) * share).rounded(.up) - 1
    return ulps.sorted()[min(max(Int(position), 0), ulps.count - 1)]
  }

  /// Compares a kernel's output with the oracle's; a different number of elements fails.
  ///
  /// - Parameter isJudged: Whether the element at a row-major position is compared.
  public init(
    kernel: HostTensor, oracle: [Bounded], isJudged: (Int) -> Bool = { _ in true }
  ) {
    if kernel.count != oracle.count { failures += 1 }
    for position in 0..<min(kernel.count, oracle.count) where isJudged(position) {
      add(kernel[position], oracle[position], at: position, kernel.storage)
    }
  }

  private mutating func add(
    _ kernel: Double, _ oracle: Bounded, at position: Int, _ storage: DType
  ) {
    count += 1
    if oracle.isVacuous {
      vacuous += 1
      return
    }
    if oracle.value.isNaN { notANumber += 1 }
    let error: Double
    if kernel.isNaN || oracle.value.isNaN {
      // NaNs are equal whatever their payload.
      error = kernel.isNaN && oracle.value.isNaN ? 0 : .infinity
    } else if kernel == oracle.value {
      error = 0
    } else {
      error = abs(kernel - oracle.value)
    }
    let ratio = error == 0 ? 0 : error / oracle.error
    if error == 0 { exact += 1 }
    if error > oracle.error { failures += 1 }
    if kernel == storage.rounded(oracle.value) || (error == 0 && kernel.isNaN) {
      correctlyRounded += 1
    }
    if error.isFinite {
      let distance = error == 0 ? 0 : error / storage.ulp(at: oracle.value)
      ulps.append(distance)
      greatestUlps = max(greatestUlps, distance)
    }
    if oracle.error > 0 { ratios.append(ratio) }
    if worst.map({ ratio > $0.ratio }) ?? true {
      worst = Worst(
        position: position, kernel: kernel, oracle: oracle.value, error: error,
        bound: oracle.error, ratio: ratio)
    }
  }
}

extension Agreement: CustomStringConvertible {
  public var description: String {
    guard let worst else { return "no elements" }
    let verdict = passes ? "within the bound" : "\(failures) of \(count) beyond the bound"
    return "\(verdict): worst at element \(worst.position), kernel \(worst.kernel), "
      + "oracle \(worst.oracle), error \(worst.error), bound \(worst.bound)"
  }
}
