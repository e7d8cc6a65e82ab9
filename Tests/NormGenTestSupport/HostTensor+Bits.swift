public import NormGen

extension HostTensor {
  /// The stored bits of every element; all NaNs are one.
  public var bits: [UInt32] {
    doubles.map { $0.isNaN ? 0xffff_ffff : storage.bits(nearest: $0) }
  }

  /// The first element whose bits differ, NaNs being equal to each other.
  public func firstDifference(from other: HostTensor) -> String? {
    guard shape == other.shape, storage == other.storage else {
      return "\(storage)\(shape) is not \(other.storage)\(other.shape)"
    }
    for (position, (left, right)) in zip(bits, other.bits).enumerated() where left != right {
      return "element \(position): \(self[position]) (\(hex(left))) is not "
        + "\(other[position]) (\(hex(right)))"
    }
    return nil
  }

  private func hex(_ bits: UInt32) -> String { "0x" + String(bits, radix: 16) }
}

/// What differs between the outputs of two executions of one kernel; nil if the bits are equal.
public func firstDifference(
  _ left: [String: HostTensor], _ right: [String: HostTensor]
) -> String? {
  guard left.keys.sorted() == right.keys.sorted() else { return "the outputs' names" }
  for name in left.keys.sorted() {
    if let first = left[name], let second = right[name],
      let difference = first.firstDifference(from: second)
    {
      return "'\(name)' \(difference)"
    }
  }
  return nil
}
