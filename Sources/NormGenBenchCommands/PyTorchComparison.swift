internal import Foundation
internal import NormGen

/// A kernel's output beside what PyTorch computed: two Float32 evaluations of one real value.
struct PyTorchComparison {
  let count: Int
  private(set) var greatestDifference = 0.0
  /// The largest difference as a part of its bound: the kernel's and PyTorch's own rounding.
  private(set) var greatestRatio = 0.0
  private(set) var failures = 0

  var passes: Bool { failures == 0 && count > 0 }

  init(
    kernel: HostTensor, expected: HostTensor, oracle: [Bounded], evaluation: [PyTorchValue]
  ) {
    count = min(kernel.count, expected.count, oracle.count, evaluation.count)
    if kernel.shape != expected.shape { failures += 1 }
    for index in 0..<count {
      let difference = abs(kernel[index] - expected[index])
      let bound = oracle[index].error + evaluation[index].bound
      greatestDifference = max(greatestDifference, difference)
      greatestRatio = max(greatestRatio, difference / bound)
      if !(difference <= bound) { failures += 1 }
    }
  }

  /// The line of a table that tells it.
  func line(_ what: String) -> [String] {
    [
      what, passes ? "within the bounds" : "BEYOND THE BOUNDS",
      "\(count) elements; differences up to " + String(format: "%.1e", greatestDifference)
        + ", at most " + Quantity.decimal(greatestRatio, 3) + " of both roundings' bound",
    ]
  }
}

extension Agreement {
  /// The line of a table that tells it.
  func line(_ what: String) -> [String] {
    [
      what, passes ? "within the bound" : "BEYOND THE BOUND",
      "\(count) elements; error at most \(Quantity.decimal(worst?.ratio ?? 0, 2)) of its derived "
        + "bound",
    ]
  }
}
