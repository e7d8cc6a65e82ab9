import NormGen

/// Float32 numbers that kernels read and write.
final class Area {
  let numbers: UnsafeMutableBufferPointer<Float>

  /// Zeros.
  init(_ count: Int) {
    numbers = .allocate(capacity: count)
    numbers.initialize(repeating: 0)
  }

  deinit { numbers.deallocate() }

  /// The memory as a kernel's argument, from an element on.
  func argument(from start: Int = 0, count: Int? = nil) -> KernelArgument {
    let end = min(start + (count ?? numbers.count), numbers.count)
    return KernelArgument(
      UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: numbers[start..<end])))
  }

  /// Adds another area's leading numbers, each to the one at its place.
  func add(_ other: Area, count: Int) {
    for index in 0..<min(count, numbers.count, other.numbers.count) {
      numbers[index] += other.numbers[index]
    }
  }

  func clear() { numbers.update(repeating: 0) }
}
