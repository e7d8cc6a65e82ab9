import Dispatch
import NormGenTestSupport
import Synchronization
import Testing

@testable import NormGen

/// Neither the number of threads nor the order of their parts changes a bit.
@Suite struct ThreadTests {
  /// Kernels by what they are for, with the rows that they are called on.
  enum Subject: String, CaseIterable {
    /// Cut into tiles of rows by the host.
    case rows
    /// Row programs that share nothing, one of them with tiles, and columns of an output.
    case separate
    /// A row that the stack has no room for.
    case kept
    /// A product, and statistics of what it yields.
    case statistics
    /// One product behind the other.
    case chain
    /// Weights that are gathered while the kernel runs.
    case plain

    var rows: [Int] {
      switch self {
      case .rows, .separate: [0, 1, 2, 13, 199]
      case .kept: [0, 1, 2, 13]
      case .statistics, .chain, .plain: [0, 1, 2, 13, 14, 15, 113, 300]
      }
    }

    private var text: String {
      switch self {
      case .rows:
        """
        kernel row_norm(x: f32[rows, 129], gain: bf16[129]) {
          y = rms_norm(x, gain: gain, epsilon: 1e-6)
        } -> y
        """
      case .separate:
        """
        kernel apart(x: f32[rows, 129], gain: bf16[129], q: f32[rows, 40], shift: f32[40]) {
          y = rms_norm(x, gain: gain, epsilon: 1e-6)
          z = concatenate(q * 2.0, layer_norm(q, shift: shift, epsilon: 1e-6))
        } -> y, z
        """
      case .kept:
        """
        kernel gelu_norm(x: f32[rows, 8001]) {
          y = rms_norm(gelu(x), epsilon: 1e-6)
        } -> y
        """
      case .statistics, .plain:
        """
        kernel linear_norm(x: f32[rows, 100], w: f32[100, 50], bias: f32[50], gain: f32[50]) {
          h = matmul(x, w) + bias
          y = rms_norm(h, gain: gain, epsilon: 1e-6)
        } -> y
        """
      case .chain:
        """
        kernel feed_forward(x: f32[rows, 48], up: f32[48, 150], down: f32[150, 48]) {
          h = relu(matmul(x, up))
          y = rms_norm(matmul(h, down), epsilon: 1e-6)
        } -> y
        """
      }
    }

    func kernel(_ target: Target) throws -> CompiledKernel {
      var compiler = Compiler(target: target)
      if self == .plain {
        compiler.schedule.matmul = MatmulSchedule(packsWeights: false)
      }
      let graph = try #require(try GraphParser.graphs(in: text, file: "threads.ng").first)
      let lowering = try compiler.lower(graph)
      #expect(lowering.program.products.allSatisfy { $0.isPacked == (self != .plain) })
      return try compiler.compile(lowering)
    }
  }

  private func inputs(_ kernel: CompiledKernel, rows: Int) throws -> [String: HostTensor] {
    try RandomInputs.tensors(for: kernel.lowering.graph, rows: rows, seed: 11)
  }

  @Test(arguments: Subject.allCases, Targets.native)
  func threadsGiveTheSameBits(subject: Subject, target: Target) throws {
    let kernel = try subject.kernel(target)
    for rows in subject.rows {
      let inputs = try inputs(kernel, rows: rows)
      let expected = try kernel(inputs)
      for threads in [1, 2, 3, 7, 1000, .max] {
        let difference = firstDifference(expected, try kernel(inputs, threads: threads))
        #expect(difference == nil, "\(rows) rows, \(threads) threads")
      }
    }
  }

  @Test(arguments: Subject.allCases)
  func callsFromManyThreadsMayHaveThreadsEach(subject: Subject) throws {
    let kernel = try subject.kernel(HostCPU.current.bestTarget)
    let inputs = try inputs(kernel, rows: 61)
    let expected = try kernel(inputs)
    let problems = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 64) { index in
      do {
        let outputs = try kernel(inputs, threads: 1 + index % 4)
        if let difference = firstDifference(expected, outputs) {
          problems.withLock { $0.append("call \(index): \(difference)") }
        }
      } catch { problems.withLock { $0.append("call \(index): \(error)") } }
    }
    #expect(problems.withLock { $0 } == [])
  }

  @Test func rowsAreSharedInWholeTilesWithStridesAndNothingBetweenIsWritten() throws {
    let kernel = try Subject.rows.kernel(HostCPU.current.bestTarget)
    let inputs = try inputs(kernel, rows: 61)
    let expected = try #require(try kernel(inputs)["y"]).doubles
    let x = try #require(inputs["x"])
    let gain = try #require(inputs["gain"])
    var spread = [Float](repeating: .nan, count: 61 * 140)
    for index in 0..<x.count { spread[index / 129 * 140 + index % 129] = Float(x[index]) }
    var y = [Float](repeating: -7, count: 61 * 131)
    try spread.withUnsafeBytes { x in
      try gain.withUnsafeBytes { gain in
        try y.withUnsafeMutableBytes { y in
          let bound = try kernel.bound(
            rows: 61,
            [
              KernelArgument(x, rowStride: 140), KernelArgument(gain),
              KernelArgument(y, rowStride: 131),
            ], threads: 3)
          #expect(bound.threads == 3)
          for _ in 0..<100 { bound() }
        }
      }
    }
    #expect(expected.indices.allSatisfy { Double(y[$0 / 129 * 131 + $0 % 129]) == expected[$0] })
    #expect((0..<61).allSatisfy { y[$0 * 131 + 129] == -7 && y[$0 * 131 + 130] == -7 })
  }

  @Test func boundKernelSeesNewContentsInEveryThread() throws {
    let kernel = try Subject.statistics.kernel(HostCPU.current.bestTarget)
    for rows in [1, 13, 300] {
      let inputs = try inputs(kernel, rows: rows)
      let expected = try #require(try kernel(inputs)["y"])
      let blocks = try kernel.parameters.map { parameter in
        let tensor = try inputs[parameter.name] ?? HostTensor(zeros: [rows, 50], .f32)
        return try GuardedMemory(tensor.withUnsafeBytes { Array($0) }, at: .beginning)
      }
      let (x, y) = (blocks[0].bytes, blocks[4].bytes)
      let bound = try kernel.bound(rows: rows, blocks.map { KernelArgument($0.bytes) }, threads: 2)
      #expect(bound.threads == 2)
      let content = Array(x)
      for round in 0..<200 {
        x.initializeMemory(as: UInt8.self, repeating: 0)
        bound()
        x.copyBytes(from: content)
        bound()
        let found = try HostTensor(
          bytes: UnsafeRawBufferPointer(y), shape: [rows, 50], .f32)
        #expect(found.firstDifference(from: expected) == nil, "\(rows) rows, round \(round)")
      }
      withExtendedLifetime(blocks) {}
    }
  }

  @Test(arguments: Subject.allCases) func fewerThanOneThreadIsRefused(subject: Subject) throws {
    let kernel = try subject.kernel(HostCPU.current.bestTarget)
    let inputs = try inputs(kernel, rows: 2)
    for threads in [0, -1, .min] {
      let error = CallError.threads(threads)
      #expect(throws: error) { try kernel(inputs, threads: threads) }
      #expect(throws: error) { try kernel.bound(rows: 2, [], threads: threads) }
      #expect(throws: error) { try kernel(rows: 2, [], threads: threads) }
      #expect("\(error)".contains("from 1 on, found \(threads)"))
    }
    #expect(HostCPU.threads >= 1)
  }

  @Test func noMoreThreadsThanThereIsWork() throws {
    func threads(_ subject: Subject, rows: Int) throws -> Int {
      let kernel = try subject.kernel(HostCPU.current.bestTarget)
      let inputs = try inputs(kernel, rows: rows)
      let blocks = try kernel.parameters.map { parameter in
        let tensor = try inputs[parameter.name] ?? HostTensor(zeros: [rows, 129], .f32)
        return try GuardedMemory(tensor.withUnsafeBytes { Array($0) }, at: .end)
      }
      return try withExtendedLifetime(blocks) {
        try kernel.bound(rows: rows, blocks.map { KernelArgument($0.bytes) }, threads: 1000).threads
      }
    }
    let tile = try Subject.rows.kernel(HostCPU.current.bestTarget).lowering.program.chunkRows
    #expect(try threads(.rows, rows: 0) == 1)
    #expect(try threads(.rows, rows: tile) == 1)
    #expect(try threads(.rows, rows: 2 * tile + 1) == 3)
    #expect(try threads(.statistics, rows: 0) == 1)
    #expect(try (2...50).contains(threads(.statistics, rows: 1)))
  }
}
