import NormGenTestSupport
import Testing

@testable import NormGen

/// Which memory a call may be given: rows apart, interleaved with others, one row, none.
@Suite struct CallMemoryTests {
  private let kernel: CompiledKernel
  private let width = 40

  init() throws {
    let x = Tensor.input("x", [.rows, 40], .f32)
    kernel = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("two_outputs", outputs: ["a": x + 1, "b": x * 2]))
  }

  private func elements(_ count: Int) -> [Float] { (0..<count).map { Float($0 % 97) - 40 } }

  /// Calls the kernel with all parameters in one array, each from an element on.
  private func call(
    _ memory: inout [Float], rows: Int, x: (Int, Int?), a: (Int, Int?), b: (Int, Int?),
    threads: Int = 1
  ) throws {
    try memory.withUnsafeMutableBytes { bytes in
      let arguments = [x, a, b].map { start, stride in
        KernelArgument(
          UnsafeMutableRawBufferPointer(rebasing: bytes[(4 * start)...]), rowStride: stride)
      }
      try kernel(rows: rows, arguments, threads: threads)
    }
  }

  @Test(arguments: [1, 2, 4]) func rowsOfSeveralTensorsMayAlternate(threads: Int) throws {
    let rows = 37
    var memory = elements(3 * width * rows)
    let before = memory
    // x, a and b, row by row.
    try call(
      &memory, rows: rows, x: (0, 120), a: (40, 120), b: (80, 120), threads: threads)
    for index in memory.indices {
      let (row, column) = (index / 120, index % 120)
      let x = before[row * 120 + column % 40]
      #expect(memory[index] == [x, x + 1, x * 2][column / 40])
    }
  }

  @Test func rowsThatShareAnElementAreRefused() {
    let rows = 37
    var memory = elements(4 * width * rows)
    let before = memory
    func expect(
      _ error: CallError, x: (Int, Int?), a: (Int, Int?), b: (Int, Int?), rows: Int = rows
    ) {
      #expect(throws: error) { try call(&memory, rows: rows, x: x, a: a, b: b) }
      #expect(memory == before)
    }
    expect(.overlapping(output: "a", other: "b"), x: (0, 120), a: (40, 120), b: (79, 120))
    expect(.overlapping(output: "a", other: "x"), x: (0, 120), a: (39, 120), b: (80, 120))
    // Behind the second row of the other.
    expect(.overlapping(output: "b", other: "x"), x: (0, 120), a: (40, 120), b: (81, 120))
    // In its last row only.
    let last = 120 * (rows - 1)
    expect(
      .overlapping(output: "a", other: "b"), x: (0, 120), a: (40, 120), b: (last + 79, nil))
    // Rows of different strides meet somewhere.
    expect(.overlapping(output: "a", other: "b"), x: (3000, nil), a: (0, 80), b: (40, 81), rows: 30)
  }

  @Test func differentStridesThatNeverMeetAreAccepted() throws {
    var memory = elements(4 * width * 37)
    let before = memory
    // Of two rows, the second ones lie apart as well.
    try call(&memory, rows: 2, x: (3000, nil), a: (0, 80), b: (40, 120))
    for (index, start) in [0, 80].enumerated() {
      let expected = before[(3000 + 40 * index)...].prefix(40).map { $0 + 1 }
      #expect(Array(memory[start..<start + 40]) == expected)
    }
    for (index, start) in [40, 160].enumerated() {
      let expected = before[(3000 + 40 * index)...].prefix(40).map { $0 * 2 }
      #expect(Array(memory[start..<start + 40]) == expected)
    }
  }

  /// Only what a call touches counts, not what the buffer holds behind it.
  @Test func longBuffersMayOverlapBehindTheirRows() throws {
    var memory = elements(1000)
    let before = memory
    try call(&memory, rows: 2, x: (0, nil), a: (80, nil), b: (160, nil))
    let x = before[..<80]
    let expected: [Float] = x + x.map { $0 + 1 } + x.map { $0 * 2 }
    #expect(memory == expected + before[240...])
  }

  @Test(arguments: [Int.max, .min, -1, 0, 1, 39, 40, 41, .max >> 2], [1, 4])
  func withOneRowTheStrideDoesNotMatter(stride: Int, threads: Int) throws {
    var memory = elements(120)
    let before = memory
    try call(
      &memory, rows: 1, x: (0, stride), a: (40, stride), b: (80, stride), threads: threads)
    let x = before[..<40]
    let expected: [Float] = x + x.map { $0 + 1 } + x.map { $0 * 2 }
    #expect(memory == expected)
    memory = before
    try call(
      &memory, rows: 0, x: (0, stride), a: (40, stride), b: (80, stride), threads: threads)
    #expect(memory == before)
  }

  @Test(arguments: [Int.max, .min, -40, 0, 39, .max >> 1, .max >> 3])
  func withSeveralRowsAStrideIsChecked(stride: Int) {
    var memory = elements(400)
    let before = memory
    let expected = CallError.rowStride(parameter: "x", atLeast: 40, found: stride)
    for threads in [1, 4] {
      #expect(throws: expected) {
        try call(&memory, rows: 2, x: (0, stride), a: (80, nil), b: (160, nil), threads: threads)
      }
    }
    #expect(memory == before)
  }

  @Test func aRowStrideOfWhatHasNoRowsIsRefused() throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let gain = Tensor.input("gain", [4], .f32)
    let scaled = try Compiler(target: .portable).compile(Kernel("scaled", x * gain))
    var memory = elements(12)
    memory.withUnsafeMutableBytes { bytes in
      func argument(_ start: Int, _ stride: Int?) -> KernelArgument {
        KernelArgument(
          UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + 16]), rowStride: stride)
      }
      for stride in [Int.max, 4, 0, -1] {
        for threads in [1, 4] {
          #expect(throws: CallError.needlessRowStride(parameter: "gain", found: stride)) {
            try scaled(
              rows: 1, [argument(0, nil), argument(16, stride), argument(32, nil)],
              threads: threads)
          }
        }
      }
    }
  }

  @Test func emptyMemoryMayLieAnywhere() throws {
    try elements(4).withUnsafeBytes { bytes in
      let odd = KernelArgument(
        UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(rebasing: bytes[1..<1])))
      try kernel(rows: 0, [odd, odd, odd])
      try kernel(rows: 0, [odd, odd, odd], threads: 3)
    }
  }

  @Test func moreRowsThanAddressesAreRefused() {
    let bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    for rows in [-1, .min, .max, .max >> 8, .max >> 9] {
      #expect(throws: CallError.rows(rows)) {
        try kernel(rows: rows, (0..<3).map { _ in KernelArgument(bytes) })
      }
    }
  }

  /// All small arrangements, against a look at every byte.
  @Test func overlapIsThatOfTheBytes() {
    var generator = SeededGenerator(seed: 5)
    func drawn() -> (bytes: TouchedBytes, all: Set<Int>) {
      func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
      let width = number(0...5)
      let stride = width + number(0...6)
      let touched = TouchedBytes(
        start: 1000 + number(0...30), width: width, stride: max(stride, 1), pieces: number(0...6))
      let all = (0..<touched.pieces).flatMap { piece in
        (0..<width).map { touched.start + piece * touched.stride + $0 }
      }
      return (touched, Set(all))
    }
    var overlaps = 0
    for _ in 0..<20_000 {
      let (one, other) = (drawn(), drawn())
      let expected = !one.all.isDisjoint(with: other.all)
      #expect(one.bytes.overlaps(other.bytes) == expected, "\(one.bytes) \(other.bytes)")
      #expect(other.bytes.overlaps(one.bytes) == expected, "\(one.bytes) \(other.bytes)")
      if expected { overlaps += 1 }
    }
    // Both answers are tried often.
    #expect((4000...16_000).contains(overlaps))
  }
}
