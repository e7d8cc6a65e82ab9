import Foundation
import NormGenCheck
import NormGenLoopInterpreter
import NormGenTestSupport
import Testing

@testable import NormGen
@testable import NormGenLowering

/// An emitted kernel takes at most 32 KiB of stack: what has no room there lies in memory that its
/// caller lends.
@Suite struct StackTests {
  /// Kernels that need more for their arrays.
  enum Subject: String, CaseIterable {
    /// Two rows of 16384 elements that a later pass reads back.
    case keptRows
    /// Partials of 200 statistics.
    case statistics
    /// Groups of 64 elements for 60 outputs of bf16.
    case groups
    /// Tiles of 64 rows.
    case tiles
    /// A kept row beside sums over all rows.
    case rowSums
    /// A kept row behind a product.
    case product

    func graph() throws -> Graph {
      func x(_ extent: Int, _ type: DType = .f32) -> Tensor {
        Tensor.input("x", [.rows, .fixed(extent)], type)
      }
      switch self {
      case .keptRows:
        let x = x(16384)
        let (gelu, silu) = (x.gelu(), x.silu())
        return try Kernel(
          "kept", outputs: ["y": gelu * gelu.mean(), "z": silu * silu.mean()]
        ).graph()
      case .statistics:
        let x = x(70)
        let sums = (0..<200).map { (x * Float($0 + 2)).sum() }
        return try Kernel("many", x + sums.dropFirst().reduce(sums[0]) { $0 + $1 }).graph()
      case .groups:
        let x = x(70, .bf16)
        let mean = x.mean()
        return try Kernel(
          "many", outputs: (0..<60).map { Kernel.Output("y\($0)", (x + Float($0)) * mean) }
        ).graph()
      case .tiles:
        let x = x(70, .bf16)
        let gain = Tensor.input("gain", [70], .bf16)
        let normed = x.rmsNorm(gain: gain)
        return try Kernel(
          "tiled", outputs: (0..<3).map { Kernel.Output("y\($0)", normed + Float($0)) }
        ).graph()
      case .rowSums:
        let gelu = x(9000).gelu()
        let normed = gelu * gelu.mean()
        return try Kernel(
          "kept", outputs: ["y": normed, "total": normed.sumOverRows()]
        ).graph()
      case .product:
        let w = Tensor.input("w", [5, 9000], .f32)
        let gelu = x(5).matmul(w).gelu()
        return try Kernel("kept", gelu * gelu.mean()).graph()
      }
    }

    func compiler(_ target: Target) -> Compiler {
      var compiler = Compiler(target: target)
      if self == .tiles { compiler.schedule = KernelSchedule(region: Schedule(rowTile: 64)) }
      return compiler
    }

    var rows: Int { self == .tiles ? 130 : 3 }
  }

  /// Instruction sets with vectors of every length.
  static let targets = [Target.avx2, .avx512, .neon]

  static let gcc = CCompiler.all.filter { $0.command.hasSuffix("gcc") }
  static let native = gcc.first { $0.architecture == HostCPU.current.architecture }

  /// The bytes of stack of the calls that go deepest, as gcc counts them.
  private func stackBytes(
    _ lowering: Lowering, _ compiler: CCompiler, _ level: String
  ) throws -> Int {
    try withTemporaryDirectory { directory in
      try Data(lowering.source.source.utf8).write(to: directory.appendingPathComponent("k.c"))
      try compiler.run(
        ["-std=c11", level, "-w", "-fstack-usage", "-c", "k.c"], in: directory)
      let text = try String(
        contentsOf: directory.appendingPathComponent("k.su"), encoding: .utf8)
      var around = 0
      var others: [Int] = []
      for line in text.split(separator: "\n") {
        let words = line.split(separator: "\t")
        let name = try #require(words.first?.split(separator: ":").last)
        let bytes = try #require(Int(words[1]))
        let isAround =
          name.hasPrefix(lowering.source.name) || name == "run_steps"
        if isAround { around += bytes } else { others.append(bytes) }
      }
      // Of what they call one function runs at a time, and it calls at most one other.
      return around + others.sorted().suffix(2).reduce(0, +)
    }
  }

  private func check(_ lowering: Lowering, _ level: String = "-O2") throws {
    for compiler in Self.gcc where compiler.compiles(lowering.target) {
      let bytes = try stackBytes(lowering, compiler, level)
      #expect(
        bytes <= RowMemory.mostStackBytes,
        "\(compiler) \(level): \(lowering.source.name) takes \(bytes) bytes of stack")
    }
  }

  @Test(.enabled(if: !gcc.isEmpty), arguments: Subject.allCases, targets)
  func largeKernelsStayBelowTheLimit(subject: Subject, target: Target) throws {
    let lowering = try subject.compiler(target).lower(subject.graph())
    try check(lowering)
    let isLent = lowering.module.functions.contains { $0.parameters.contains { $0.name == "kept" } }
    // Where nothing is stored in pairs there are no groups.
    #expect(isLent || !target.pairsHalfStores)
  }

  /// Rows of any length, up to five of them kept, hundreds of statistics, dozens of outputs.
  private func drawn(_ seed: UInt64) throws -> Graph {
    var random = SeededGenerator(seed: seed)
    func draw(_ count: Int) -> Int { Int(random.next() >> 33) % count }
    let x = Tensor.input(
      "x", [.rows, .fixed([130, 1000, 4000, 7000, 8192, 16384, 32768][draw(7)])], .f32)
    var y = x
    for number in 0..<draw(6) {
      let kept = (x + Float(number)).gelu()
      y = y + kept * kept.mean()
    }
    for number in 0..<[0, 1, 50, 100, 200][draw(5)] { y = y + (x * Float(number + 2)).sum() }
    let types = DType.allCases
    return try Kernel(
      "drawn_\(seed)",
      outputs: (0..<[1, 2, 20, 40][draw(4)]).map {
        Kernel.Output("y\($0)", y * Float($0 + 1), as: types[draw(types.count)])
      }
    ).graph()
  }

  @Test(.enabled(if: !gcc.isEmpty), arguments: 0..<9 as Range<UInt64>)
  func drawnKernelsStayBelowTheLimit(seed: UInt64) throws {
    let target = Self.targets[Int(seed) % Self.targets.count]
    try check(try Compiler(target: target).lower(drawn(seed)), seed % 2 == 0 ? "-O2" : "-O3")
  }

  /// Threads of musl have 128 KiB; half of it is enough.
  @Test(.enabled(if: native != nil), arguments: Subject.allCases, Targets.native)
  func theyRunInThreadsWithASmallStack(subject: Subject, target: Target) throws {
    let compiler = subject.compiler(target)
    let lowering = try compiler.lower(subject.graph())
    let inputs = try RandomInputs.tensors(for: lowering.graph, rows: subject.rows, seed: 3)
    let expected = try compiler.compile(lowering)(inputs)
    let program = SanitizedProgram(
      lowering: lowering, rows: subject.rows, stackBytes: 64 << 10)
    for outputs in try program.outputs(inputs, parts: [1, 2], #require(Self.native)) {
      let difference = firstDifference(expected, outputs)
      #expect(difference == nil, "\(difference ?? "")")
    }
  }

  @Test(arguments: Subject.allCases)
  func theyHaveTheExactBits(subject: Subject) throws {
    let graph = try subject.graph()
    let inputs = try RandomInputs.tensors(for: graph, rows: subject.rows, seed: 4)
    let reference = try ReferenceOutputs(
      of: graph, rows: subject.rows, inputs: inputs, columns: .all(of: graph))
    for target in Targets.native {
      let outputs = try subject.compiler(target).compile(graph)(inputs, threads: 2)
      for (index, output) in graph.outputs.enumerated() {
        let tensor = try #require(outputs[output.name])
        #expect(
          reference.judgement(of: tensor, output: index).exact.passes,
          "\(output.name), \(target)")
      }
    }
  }

  /// Below the limit nothing is lent, and no text changes.
  @Test func kernelsOfTheCatalogHaveRoom() throws {
    for entry in Catalog.standard.entries {
      let module = try Compiler(target: .avx512).lower(entry.kernel).module
      #expect(
        !module.functions.contains { $0.parameters.contains { $0.name == "kept" } },
        "\(module.interface.symbol)")
    }
  }

  /// Arrays in memory that another one has been given are seen.
  @Test func arraysDoNotShareMemory() throws {
    let graph = try Subject.statistics.graph()
    let module = try Compiler(target: .portable).lower(graph).module
    func overlapping(_ statement: Stmt) -> Stmt {
      switch statement {
      case .partials(let name, let reduction, .memory(let memory, _)):
        .partials(name, reduction, in: .memory(memory, byte: 64))
      case .loop(let index, let from, let to, let step, let body):
        .loop(index: index, from: from, to: to, step: step, body: body.map(overlapping))
      default: statement
      }
    }
    let wrong = LoopModule(
      interface: module.interface, lanes: module.lanes,
      functions: module.functions.map { function in
        LoopFunction(
          function.name, comment: function.comment, linkage: function.linkage,
          parameters: function.parameters, returnsIndex: function.returnsIndex,
          hasDistinctTensors: function.hasDistinctTensors, streamed: function.streamed,
          body: function.body.map(overlapping))
      })
    let inputs = try RandomInputs.tensors(for: graph, rows: 1, seed: 4)
    _ = try LoopInterpreter.outputs(of: module, rows: 1, inputs: inputs)
    let fault = #expect(throws: LoopInterpreter.Fault.self) {
      try LoopInterpreter.outputs(of: wrong, rows: 1, inputs: inputs)
    }
    #expect(fault?.message.contains("in the memory of") == true)
  }
}
