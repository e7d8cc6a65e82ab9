import Dispatch
import NormGen
import NormGenTestSupport
import Synchronization
import Testing

/// Every way to call a kernel wrongly, by name; and right calls from several threads.
@Suite struct CallTests {
  let kernel: CompiledKernel

  init() throws {
    let x = Tensor.input("x", [.rows, 40], .f32)
    let gain = Tensor.input("gain", [40], .bf16)
    kernel = try Compiler(target: HostCPU.current.bestTarget).compile(
      Kernel("call_norm", x.rmsNorm(gain: gain)))
  }

  /// Memory for one call of two rows; outputs begin as filler.
  private func withMemory(_ body: (_ x: Memory, _ gain: Memory, _ y: Memory) throws -> Void)
    rethrows
  {
    let x = Memory(byteCount: 4 * 40 * 4)
    let gain = Memory(byteCount: 200)
    let y = Memory(byteCount: 4 * 40 * 4)
    try body(x, gain, y)
  }

  private final class Memory {
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
      bytes = .allocate(byteCount: byteCount, alignment: 64)
      bytes.initializeMemory(as: UInt8.self, repeating: 0x3c)
    }

    deinit { bytes.deallocate() }

    func argument(_ range: Range<Int>, stride: Int? = nil) -> KernelArgument {
      KernelArgument(UnsafeMutableRawBufferPointer(rebasing: bytes[range]), rowStride: stride)
    }

    var isUntouched: Bool { bytes.allSatisfy { $0 == 0x3c } }
  }

  /// Expects the error from the checked and the bound call; nothing may be written.
  private func expect(
    _ expected: CallError, rows: Int = 2,
    _ arguments: (_ x: Memory, _ gain: Memory, _ y: Memory) -> [KernelArgument],
    sourceLocation: Testing.SourceLocation = #_sourceLocation
  ) {
    withMemory { x, gain, y in
      let list = arguments(x, gain, y)
      #expect(throws: expected, sourceLocation: sourceLocation) { try kernel(rows: rows, list) }
      #expect(throws: expected, sourceLocation: sourceLocation) {
        try kernel.bound(rows: rows, list)
      }
      #expect(y.isUntouched && x.isUntouched && gain.isUntouched, sourceLocation: sourceLocation)
      #expect(!expected.description.isEmpty)
    }
  }

  @Test func wrongMemoryIsRefusedBeforeAnythingIsWritten() {
    expect(.argumentCount(kernel: "call_norm", expected: ["x", "gain", "y"], found: 2)) { x, _, y in
      [x.argument(0..<320), y.argument(0..<320)]
    }
    expect(.tooShort(parameter: "x", expectedBytes: 320, foundBytes: 319)) { x, gain, y in
      [x.argument(0..<319), gain.argument(0..<80), y.argument(0..<320)]
    }
    expect(.tooShort(parameter: "gain", expectedBytes: 80, foundBytes: 78)) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<78), y.argument(0..<320)]
    }
    expect(.tooShort(parameter: "y", expectedBytes: 324, foundBytes: 320)) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320, stride: 41)]
    }
    expect(.rowStride(parameter: "x", atLeast: 40, found: 39)) { x, gain, y in
      [x.argument(0..<320, stride: 39), gain.argument(0..<80), y.argument(0..<320)]
    }
    expect(.rowStride(parameter: "y", atLeast: 40, found: -40)) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320, stride: -40)]
    }
    expect(.rowStride(parameter: "y", atLeast: 40, found: .max)) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320, stride: .max)]
    }
    expect(.rows(-1), rows: -1) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320)]
    }
    expect(.rows(.max), rows: .max) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320)]
    }
    expect(.rows(.min), rows: .min) { x, gain, y in
      [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320)]
    }
    expect(.overlapping(output: "y", other: "x")) { x, gain, _ in
      [x.argument(0..<320), gain.argument(0..<80), x.argument(316..<636)]
    }
    expect(.overlapping(output: "y", other: "gain")) { x, _, y in
      [x.argument(0..<320), y.argument(80..<160), y.argument(0..<320)]
    }
  }

  @Test func misalignedMemoryIsRefused() {
    withMemory { x, gain, y in
      let arguments = [
        x.argument(2..<322), gain.argument(0..<80), y.argument(0..<320),
      ]
      let address = UInt(bitPattern: x.bytes.baseAddress) + 2
      #expect(throws: CallError.misaligned(parameter: "x", alignment: 4, address: address)) {
        try kernel(rows: 2, arguments)
      }
      let odd = [x.argument(4..<324), gain.argument(1..<81), y.argument(0..<320)]
      let gainAddress = UInt(bitPattern: gain.bytes.baseAddress) + 1
      #expect(throws: CallError.misaligned(parameter: "gain", alignment: 2, address: gainAddress)) {
        try kernel(rows: 2, odd)
      }
      #expect(y.isUntouched)
    }
  }

  @Test func noRowsWriteNothingAndNeedNoMemory() throws {
    try withMemory { x, gain, y in
      try kernel(rows: 0, [x.argument(0..<0), gain.argument(0..<80), y.argument(0..<0)])
      try kernel(rows: 0, [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320)])
      #expect(y.isUntouched)
      let empty = KernelArgument(UnsafeRawBufferPointer(start: nil, count: 0))
      let output = KernelArgument(UnsafeMutableRawBufferPointer(start: nil, count: 0))
      try kernel(rows: 0, [empty, gain.argument(0..<80), output])
    }
    let outputs = try kernel([
      "x": HostTensor(zeros: [0, 40], .f32), "gain": HostTensor(zeros: [40], .bf16),
    ])
    #expect(outputs["y"]?.shape == [0, 40])
  }

  @Test func adjacentBuffersDoNotOverlap() throws {
    try withMemory { x, gain, y in
      try kernel(rows: 2, [x.argument(0..<320), gain.argument(0..<80), x.argument(320..<640)])
      #expect(y.isUntouched)
      #expect(!x.isUntouched)
    }
  }

  @Test func unfitTensorsAreRefusedByName() throws {
    let x = try HostTensor(zeros: [3, 40], .f32)
    let gain = try HostTensor(zeros: [40], .bf16)
    func expect(_ expected: CallError, _ inputs: [String: HostTensor]) {
      #expect(throws: expected) { try kernel(inputs) }
      #expect(!expected.description.isEmpty)
    }
    expect(.missing(parameter: "gain"), ["x": x])
    expect(.missing(parameter: "x"), ["gain": gain])
    expect(.unknown(name: "g", parameters: ["x", "gain"]), ["x": x, "gain": gain, "g": gain])
    expect(.unknown(name: "y", parameters: ["x", "gain"]), ["x": x, "gain": gain, "y": x])
    let half = try HostTensor(zeros: [3, 40], .f16)
    expect(.storage(parameter: "x", expected: .f32, found: .f16), ["x": half, "gain": gain])
    let rowShape = Shape(hasRows: true, extents: [40])
    for shape in [[3, 41], [40], [3, 4, 10], [120]] {
      let wrong = try HostTensor(zeros: shape, .f32)
      expect(.shape(parameter: "x", expected: rowShape, found: shape), ["x": wrong, "gain": gain])
    }
    let longGain = try HostTensor(zeros: [1, 40], .bf16)
    let gainShape = Shape(hasRows: false, extents: [40])
    expect(
      .shape(parameter: "gain", expected: gainShape, found: [1, 40]), ["x": x, "gain": longGain])
  }

  @Test func differentNumbersOfRowsAreRefused() throws {
    let a = Tensor.input("a", [.rows, 4], .f32)
    let b = Tensor.input("b", [.rows, 4], .f32)
    let sum = try Compiler(target: .portable).compile(Kernel("sum", a + b))
    #expect(throws: CallError.rowsDiffer(parameter: "b", expected: 3, found: 2)) {
      try sum([
        "a": HostTensor(zeros: [3, 4], .f32), "b": HostTensor(zeros: [2, 4], .f32),
      ])
    }
  }

  @Test func callsFromManyThreadsAgree() throws {
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: 50, seed: 2)
    let expected = try kernel(inputs)
    let differences = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 64) { index in
      do {
        let outputs = try kernel(inputs)
        if let difference = firstDifference(expected, outputs) {
          differences.withLock { $0.append("call \(index): \(difference)") }
        }
      } catch { differences.withLock { $0.append("call \(index): \(error)") } }
    }
    #expect(differences.withLock { $0 } == [])
  }

  @Test func compilesFromManyThreadsAgree() throws {
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: 3, seed: 2)
    let expected = try kernel(inputs)
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 24) { index in
      do {
        // Some of the same kernel, some of kernels of their own.
        let x = Tensor.input("x", [.rows, 40], .f32)
        let gain = Tensor.input("gain", [40], .bf16)
        let name = index % 3 == 0 ? "call_norm" : "call_norm_\(index)"
        let compiled = try Compiler(target: HostCPU.current.bestTarget).compile(
          Kernel(name, x.rmsNorm(gain: gain)))
        if let difference = firstDifference(expected, try compiled(inputs)) {
          failures.withLock { $0.append("\(name): \(difference)") }
        }
      } catch { failures.withLock { $0.append("compile \(index): \(error)") } }
    }
    #expect(failures.withLock { $0 } == [])
  }

  @Test func cachedKernelGivesTheBitsOfAFreshOne() throws {
    let graph = kernel.lowering.graph
    let again = try Compiler(target: HostCPU.current.bestTarget).compile(graph)
    #expect(again.cacheStatus == .hit || again.cacheStatus == .disabled)
    // A comment makes a source that no cache can hold.
    let stamp = "\n/* \(UInt64.random(in: 0 ... .max)) */\n"
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let fresh = try compiler.compile(
      again.lowering, source: again.lowering.source.source + stamp)
    #expect(fresh.cacheStatus != .hit)
    let inputs = try RandomInputs.tensors(for: graph, rows: 7, seed: 2)
    #expect(try firstDifference(again(inputs), fresh(inputs)) == nil)
  }

  @Test func boundKernelSeesNewContents() throws {
    let inputs = try RandomInputs.tensors(for: kernel.lowering.graph, rows: 2, seed: 5)
    let expected = try #require(try kernel(inputs)["y"])
    try withMemory { x, gain, y in
      let bound = try kernel.bound(
        rows: 2, [x.argument(0..<320), gain.argument(0..<80), y.argument(0..<320)])
      bound()
      inputs["x"]?.withUnsafeBytes { x.bytes.copyBytes(from: $0) }
      inputs["gain"]?.withUnsafeBytes { gain.bytes.copyBytes(from: $0) }
      bound()
      let found = try HostTensor(
        bytes: UnsafeRawBufferPointer(rebasing: y.bytes[0..<320]), shape: [2, 40], .f32)
      #expect(found.firstDifference(from: expected) == nil)
      #expect(y.bytes[320...].allSatisfy { $0 == 0x3c })
    }
  }

  @Test func memoryForReadingIsNoOutput() {
    let x = [Float](repeating: 1, count: 80)
    let gain = [UInt16](repeating: 0x3f80, count: 40)
    let y = [Float](repeating: 7, count: 80)
    x.withUnsafeBytes { x in
      gain.withUnsafeBytes { gain in
        y.withUnsafeBytes { y in
          let arguments = [KernelArgument(x), KernelArgument(gain), KernelArgument(y)]
          #expect(throws: CallError.readOnly(output: "y")) { try kernel(rows: 2, arguments) }
          #expect(throws: CallError.readOnly(output: "y")) {
            try kernel.bound(rows: 2, arguments)
          }
        }
      }
    }
    #expect(y.allSatisfy { $0 == 7 })
  }
}
