public import NormGenTensors

/// How a kernel's output compares bit by bit with what the exact interpreter says; NaNs are equal
/// whatever their payload.
public struct ExactAgreement: Hashable, Sendable {
  /// An element whose bits are wrong.
  public struct Difference: Hashable, Sendable {
    /// The row-major position in the output.
    public let position: Int
    /// What the kernel wrote.
    public let kernel: Double
    /// What it must write.
    public let exact: Double
  }

  /// Elements compared.
  public private(set) var count = 0
  /// Elements whose bits are wrong.
  public private(set) var differing = 0
  /// The first of them.
  public private(set) var first: Difference?
  /// Elements compared that must be NaN.
  public private(set) var notANumber = 0

  /// Whether no bit is wrong.
  public var passes: Bool { differing == 0 }

  /// Compares an output; one of another shape or type differs in every element.
  ///
  /// - Parameter isJudged: Whether the element at a row-major position is compared.
  public init(kernel: HostTensor, exact: HostTensor, isJudged: (Int) -> Bool = { _ in true }) {
    guard kernel.shape == exact.shape, kernel.storage == exact.storage else {
      count = exact.count
      differing = max(exact.count, 1)
      return
    }
    for position in 0..<exact.count where isJudged(position) {
      count += 1
      let (found, expected) = (kernel[position], exact[position])
      if expected.isNaN { notANumber += 1 }
      if found.bitPattern == expected.bitPattern || (found.isNaN && expected.isNaN) { continue }
      differing += 1
      if first == nil {
        first = Difference(position: position, kernel: found, exact: expected)
      }
    }
  }
}

extension ExactAgreement: CustomStringConvertible {
  public var description: String {
    guard !passes else { return "\(count) elements have the exact bits" }
    let place = first.map {
      ", first at element \($0.position): kernel \($0.kernel), exact \($0.exact)"
    }
    return "\(differing) of \(count) elements have wrong bits"
      + (place ?? ": another shape or type")
  }
}
