import NormGen
import Testing

/// Calls on Swift arrays: the same bits as on tensors, and typed errors for what does not fit.
@Suite struct ArrayCallTests {
  private let kernel: CompiledKernel
  private let rows = 3
  private let x: [Float16]
  private let gain: [BFloat16]

  init() throws {
    let x = Tensor.input("x", [.rows, 40], .f16)
    let gain = Tensor.input("gain", [40], .bf16)
    kernel = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("array_norm", outputs: [.init("y", x.rmsNorm(gain: gain), as: .f32)]))
    self.x = (0..<120).map { Float16($0 % 17) / 4 - 2 }
    self.gain = (0..<40).map { BFloat16(1 + Float($0) / 64) }
  }

  @Test func arraysGiveTheBitsThatTensorsGive() throws {
    var y = [Float](repeating: .nan, count: 120)
    try kernel(rows: rows, ["x": x, "gain": gain], into: &y)
    let outputs = try kernel([
      "x": HostTensor(x.map(Double.init), shape: [3, 40], .f16),
      "gain": HostTensor(gain.map { Double(Float($0)) }, shape: [40], .bf16),
    ])
    let expected = try #require(outputs["y"])
    #expect((0..<120).allSatisfy { Double(y[$0]) == expected[$0] })
  }

  @Test func slicesAndTensorsMayBeArguments() throws {
    var whole = [Float](repeating: 0, count: 120)
    try kernel(rows: rows, ["x": x, "gain": gain], into: &whole)
    var y = [Float](repeating: -1, count: 200)
    let tensor = try HostTensor(gain.map { Double(Float($0)) }, shape: [40], .bf16)
    try kernel(rows: 1, ["gain": tensor, "x": x[40..<80]], into: &y[80..<120])
    #expect(Array(y[80..<120]) == Array(whole[40..<80]))
    #expect((y[..<80] + y[120...]).allSatisfy { $0 == -1 })
  }

  @Test func whatDoesNotFitIsATypedErrorAndNothingIsWritten() throws {
    var y = [Float](repeating: -1, count: 120)
    func expect(
      _ error: CallError, rows: Int = 3, _ inputs: KeyValuePairs<String, any KernelReadable>
    ) {
      #expect(throws: error) { try kernel(rows: rows, inputs, into: &y) }
      #expect(y.allSatisfy { $0 == -1 })
    }
    expect(.missing(parameter: "gain"), ["x": x])
    expect(.repeated(name: "x"), ["x": x, "x": x, "gain": gain])
    expect(.unknown(name: "shift", parameters: ["x", "gain"]), ["x": x, "shift": gain])
    expect(
      .storage(parameter: "gain", expected: .bf16, found: .f16), ["x": x, "gain": x])
    // Neither less nor more than the rows.
    for count in [0, 40, 119] {
      expect(
        .elementCount(parameter: "x", expected: 120, found: count),
        ["x": Array(x.prefix(count)), "gain": gain])
    }
    expect(
      .elementCount(parameter: "x", expected: 120, found: 121), ["x": x + [0], "gain": gain])
    for rows in [0, 2, 4] {
      expect(
        .elementCount(parameter: "y", expected: 40 * rows, found: 120), rows: rows,
        ["x": x, "gain": gain])
    }
    expect(
      .elementCount(parameter: "gain", expected: 40, found: 80), ["x": x, "gain": gain + gain])
    expect(.rows(.max), rows: .max, ["x": x, "gain": gain])
    let turned = try HostTensor(x.map(Double.init), shape: [40, 3], .f16)
    expect(
      .shape(
        parameter: "x", expected: Shape(hasRows: true, extents: [40]), found: [40, 3]),
      ["x": turned, "gain": gain])
    expect(.rows(-1), rows: -1, ["x": x, "gain": gain])
    var halves = [Float16](repeating: -1, count: 120)
    #expect(throws: CallError.storage(parameter: "y", expected: .f32, found: .f16)) {
      try kernel(rows: rows, ["x": x, "gain": gain], into: &halves)
    }
    for count in [0, 119, 121, 160] {
      var other = [Float](repeating: -1, count: count)
      #expect(throws: CallError.elementCount(parameter: "y", expected: 120, found: count)) {
        try kernel(rows: rows, ["x": x, "gain": gain], into: &other)
      }
      #expect(other.allSatisfy { $0 == -1 })
    }
  }

  @Test func elementsOfEightBitsAreTheirBits() throws {
    let x = Tensor.input("x", [.rows, 4], .f8E4M3)
    let gain = Tensor.input("gain", [4], .u8)
    let kernel = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("eight", outputs: [.init("y", x * gain, as: .f8E5M2)]))
    var y = [Float8E5M2](repeating: .init(bitPattern: 0xff), count: 4)
    let row = [1.5, -448, 0x1p-9, .nan].map { Float8E4M3($0) }
    #expect(row.map(\.bitPattern) == [0x3c, 0xfe, 0x01, 0x7f])
    try kernel(rows: 1, ["x": row, "gain": [2, 255, 1, 0] as [UInt8]], into: &y)
    #expect(y.prefix(3).map { Float($0) } == [3, -.infinity, 0x1p-9] && Float(y[3]).isNaN)
    #expect(y.prefix(3).map(\.bitPattern) == [0x42, 0xfc, 0x18])
    #expect(y[0] == Float8E5M2(3) && Float(row[1]) == -448)
  }

  @Test func aKernelOfSeveralOutputsNeedsTensors() throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let parts = x.rmsNormalization()
    let kernel = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("two", outputs: ["y": parts.output, "rstd": parts.inverseDeviation]))
    var y: [Float] = [0, 0, 0, 0]
    #expect(throws: CallError.outputCount(kernel: "two", expected: ["y", "rstd"], found: 1)) {
      try kernel(rows: 1, ["x": [1, 2, 3, 4] as [Float]], into: &y)
    }
  }
}
