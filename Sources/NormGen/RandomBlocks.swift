import NormGenIR
import NormGenTensors

extension BlockFormat {
  /// Blocks with integers of any bits, and numbers that give values of about a deviation.
  ///
  /// - Parameter shape: The shape of the blocks' bytes.
  func drawn(
    _ shape: [Int], deviation: Double, _ generator: inout SeededGenerator
  ) throws(TensorError) -> HostTensor {
    var tensor = try HostTensor(zeros: shape, .u8)
    // The difference of two numbers of one range has a mean of zero.
    let difference = (mean: 0.0, rootMeanSquare: Double(quants.range.count) / 6.0.squareRoot())
    let quant = zeroPoints == nil ? quants.spread : difference
    let scaleSpread = scale.integers?.spread.rootMeanSquare ?? 1
    let size = deviation / (scaleSpread * quant.rootMeanSquare)
    tensor.withUnsafeMutableBytes { bytes in
      for byte in bytes.indices { bytes[byte] = UInt8(truncatingIfNeeded: generator.next()) }
      for first in stride(from: 0, to: bytes.count, by: byteCount) {
        let block = UnsafeMutableRawBufferPointer(rebasing: bytes[first..<first + byteCount])
        // Scales of either sign and of several sizes, so that a neighbour's shows.
        let unit = Double(generator.next() >> 11) * 0x1p-53
        let number = size * (unit < 0.5 ? unit + 0.5 : -unit)
        scale.pack(number, into: block)
        if let zeroPoints {
          // One more than a quant can be is a zero point, too.
          let greatest = UInt64(min(quants.range.count, zeroPoints.range.upperBound))
          let drawn = (0..<zeroPoints.count).map { _ in
            Int32(generator.next() % (greatest + 1))
          }
          zeroPoints.pack(drawn, into: block)
        }
        switch minimum {
        case .added(let factor): factor.pack(-number * quant.mean, into: block)
        case .subtracted(let factor):
          let spread = factor.integers?.spread.rootMeanSquare ?? 1
          factor.pack(number * scaleSpread * quant.mean / spread, into: block)
        case nil: break
        }
      }
    }
    return tensor
  }
}

extension BlockFormat.Integers {
  /// The mean of all integers, and the root of the mean of their squares.
  fileprivate var spread: (mean: Double, rootMeanSquare: Double) {
    let count = Double(range.count)
    let mean = range.reduce(0.0) { $0 + Double($1) } / count
    return (mean, (range.reduce(0.0) { $0 + Double($1 * $1) } / count).squareRoot())
  }
}
