import NormGenEmulation
import Testing

/// Calls of `y = fma(x, x / w, w)` with a row of `width` elements, and what they must give.
struct ScaleFixture {
  let width: Int
  var calls: [EmulatedCall] = []
  private var expected: [[Float]] = []

  init(width: Int, kernel: Int = 0) {
    self.width = width
    var generator = SplitMix64(state: 0x5eed)
    for rows in 0...7 {
      let (xStride, yStride) = (width + rows, width + 3 * rows)
      let x = generator.floats(rows * xStride)
      let w = generator.floats(width)
      var y = generator.floats(rows * yStride)
      calls.append(
        EmulatedCall(
          kernel: kernel, rows: rows,
          buffers: [
            EmulatedBuffer(bytes: x.bytes, rowStride: xStride, addressOffset: 4 * rows),
            EmulatedBuffer(bytes: w.bytes, rowStride: 0, addressOffset: 4095 & ~3),
            EmulatedBuffer(bytes: y.bytes, rowStride: yStride),
          ]))
      for row in 0..<rows {
        for column in 0..<width {
          let value = x[row * xStride + column]
          y[row * yStride + column] = w[column].addingProduct(value, value / w[column])
        }
      }
      expected.append(y)
    }
  }

  func expect(_ results: [EmulatedResult]) {
    #expect(results.count == calls.count)
    for (index, result) in results.enumerated() where index < calls.count {
      let call = calls[index]
      #expect(result.outOfBounds == [], "call \(index)")
      #expect(result.buffers[0] == call.buffers[0].bytes, "x of call \(index)")
      #expect(result.buffers[1] == call.buffers[1].bytes, "w of call \(index)")
      #expect(result.buffers[2] == expected[index].bytes, "y of call \(index)")
    }
  }
}

extension [Float] {
  var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

/// A seeded generator, so that a failing test fails again.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in .random(in: -4...4, using: &self) }
  }
}
