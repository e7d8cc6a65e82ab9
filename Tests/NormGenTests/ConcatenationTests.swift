import NormGen
import NormGenC
import NormGenCheck
import NormGenLoops
import NormGenLowering
import NormGenTestSupport
import Testing

/// Concatenated rows: within the oracle's bound, and the same bits on every target, for every number
/// of rows, threads and parts.
@Suite struct ConcatenationTests {
  typealias Subject = RowSumTests.Subject

  /// Rows of another length than the subject's.
  private static func other(_ parts: Specimen.Parameters) -> Tensor {
    .input("other", [.rows, 19], parts.types.input)
  }

  private static func zeros(_ count: Int) -> Tensor {
    Tensor.constant(0).leadingPart(count, of: count)
  }

  private static func weights(_ name: String, _ terms: Int, _ columns: Int) -> Tensor {
    .input(name, [.fixed(terms), .fixed(columns)], .bf16)
  }

  static let subjects = [
    // Stored as they are, in two types; what has no rows stands in each.
    Subject(name: "stored") { parts in
      let joint = Tensor.concatenate([parts.x, zeros(5), parts.gain, other(parts)])
      let end = 2 * parts.extent + 24
      return [
        Kernel.Output("y", joint, as: .f32), Kernel.Output("half", joint, as: .bf16),
        Kernel.Output("inner", joint.columns(parts.extent / 2..<end - 7) * 2, as: .f32),
      ]
    },
    // Computed parts, one number a row among them, feed statistics and elementwise steps.
    Subject(name: "normed") { parts in
      let joint = Tensor.concatenate([parts.x * parts.gain, parts.x.mean(), other(parts).tanh()])
      return [
        Kernel.Output("y", joint.rmsNorm(epsilon: parts.epsilon).silu()),
        Kernel.Output("peak", joint.absolute().rowMaximum(), as: .f32),
      ]
    },
    // In front of a product and behind it.
    Subject(name: "product") { parts in
      let joint = Tensor.concatenate([parts.x.silu(), other(parts)])
      let product = joint.matmul(weights("w", parts.extent + 19, 21))
      return [
        Kernel.Output("y", Tensor.concatenate([product, parts.x])),
        Kernel.Output("z", joint + 1, as: .f32),
      ]
    },
    Subject(name: "licensed") { parts in
      let joint = Tensor.concatenate([parts.x.silu(), other(parts)]).rounded(to: .bf16)
      let product = joint.matmul(weights("w", parts.extent + 19, 17), accumulate: .bf16Dot)
      return [Kernel.Output("y", product, as: .f32)]
    },
    // Parts that are known before, between and behind products.
    Subject(name: "stages") { parts in
      let first = parts.x.matmul(weights("w", parts.extent, 23)).relu()
      let second = first.matmul(weights("v", 23, 18)) * 0.5
      let joint = Tensor.concatenate([parts.x, first.sigmoid(), second])
      return [
        Kernel.Output("y", joint.layerNorm(epsilon: parts.epsilon)),
        Kernel.Output("z", Tensor.concatenate([second, joint.columns(0..<parts.extent)]).exp()),
      ]
    },
    // Factors of sums over rows.
    Subject(name: "sums") { parts in
      let joint = Tensor.concatenate([parts.x, zeros(3), other(parts) * other(parts).mean()])
      return [
        Kernel.Output("total", joint.sumOverRows(), as: .f32),
        Kernel.Output("squares", (joint * joint).sumOverRows(), as: .f32),
        Kernel.Output("weights", joint.outerSum(with: parts.x), as: .f32),
        Kernel.Output("transposed", parts.x.outerSum(with: joint), as: .f32),
      ]
    },
    // One value in several places.
    Subject(name: "repeated") { parts in
      let x = parts.x * 3
      let inner = Tensor.concatenate([x, other(parts)]).named("inner")
      let half = (parts.extent + 1) / 2
      return [
        Kernel.Output("y", Tensor.concatenate([inner, x, inner.columns(half..<parts.extent + 4)])),
        Kernel.Output("inner", inner * 0.25),
      ]
    },
  ]

  static let rows = [0, 1, 2, 15, 113, 257]
  static let extents = [3, 33, 300]

  private func calls(_ graph: Graph, _ rows: [Int]) throws -> [Targets.Call] {
    try rows.map { rows in
      Targets.Call(
        graph: graph, rows: rows,
        inputs: try RandomInputs.tensors(for: graph, rows: rows, seed: UInt64(rows + 5)))
    }
  }

  @Test(arguments: subjects, extents.indices)
  func concatenationsAgreeWithTheOracleOnEveryTarget(subject: Subject, index: Int) throws {
    let seed = index + subject.name.count
    let types = Specimen.Types.all[seed % Specimen.Types.all.count]
    let graph = try subject.graph(Self.extents[index], types)
    try Targets.check(
      try calls(graph, index == 1 ? Self.rows : [1, 15]), bounded: true,
      targets: index == 1 ? Targets.usable : Targets.native)
  }

  @Test(arguments: subjects, Targets.native)
  func partsAndMemoryGiveTheSameBits(subject: Subject, target: Target) throws {
    let graph = try subject.graph(37, Specimen.Types.all[1])
    let lowering = try Compiler(target: target).lower(graph)
    let kernel = try Compiler(target: target).compile(lowering)
    for rows in [1, 15, 130] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
      let expected = try kernel(inputs)
      for threads in [2, 3] {
        let difference = firstDifference(expected, try kernel(inputs, threads: threads))
        #expect(difference == nil, "\(rows) rows, \(threads) threads")
      }
      for edge in GuardedMemory.Edge.allCases {
        for (parts, gap) in [(1, 0), (3, 16), (7, 5)] {
          let call = LaidOutCall(
            lowering: lowering, rows: rows, inputs: inputs, gap: gap, parts: parts)
          let difference = firstDifference(expected, try call.outputs(at: edge))
          #expect(difference == nil, "\(rows) rows, \(edge), \(parts) parts, gap \(gap)")
        }
      }
    }
  }

  /// Elements keep their bits, those of zeros, infinities and the smallest numbers included.
  @Test(arguments: Targets.native)
  func elementsKeepTheirBits(target: Target) throws {
    let special: [Double] = [-0.0, 0, .infinity, -.infinity, 0x1p-149, -0x1p-149, 0x1p127, 1]
    let x = Tensor.input("x", [.rows, 8], .f32)
    let v = Tensor.input("v", [8], .f32)
    let joint = Tensor.concatenate([v, x, Self.zeros(3)])
    let kernel = try Compiler(target: target).compile(Kernel("bits", joint))
    let row = try HostTensor(special, shape: [1, 8], .f32)
    let outputs = try kernel(["x": row, "v": HostTensor(special, shape: [8], .f32)])
    let expected = try HostTensor(special + special + [0, 0, 0], shape: [1, 19], .f32)
    let y = try #require(outputs["y"])
    #expect(expected.firstDifference(from: y) == nil)
  }

  /// The derived backward kernels of packed projections, compiled.
  @Test(arguments: [0, 1, 2])
  func gradientsAgreeWithTheOracleOnEveryTarget(index: Int) throws {
    let text = [
      """
      kernel joint_projection(
        x: bf16[rows, 48], w: bf16[48, 128], bias: bf16[128], g_q: bf16[16], g_k: bf16[16]
      ) {
        joint = matmul(x, w) + bias
        q = rms_norm(reshape(columns(joint, from: 0, count: 64), [rows, 4, 16]), gain: g_q)
        k = rms_norm(reshape(columns(joint, from: 64, count: 32), [rows, 2, 16]), gain: g_k)
        v = columns(joint, from: 96, count: 32)
      } -> q: bf16, k: bf16, v: bf16
      """,
      """
      kernel gru_step(
        x: f32[rows, 30], h: f32[rows, 21], w: f32[30, 63], u: f32[21, 63],
        g_x: f32[42], g_h: f32[42], g_xc: f32[21], g_hc: f32[21]
      ) {
        from_x = matmul(x, w)
        from_h = matmul(h, u)
        normed_x = rms_norm(columns(from_x, from: 0, count: 42), gain: g_x)
        normed_h = rms_norm(columns(from_h, from: 0, count: 42), gain: g_h)
        gates = sigmoid(normed_x + normed_h)
        reset = columns(gates, from: 0, count: 21)
        update = columns(gates, from: 21, count: 21)
        new_x = rms_norm(columns(from_x, from: 42, count: 21), gain: g_xc)
        new_h = rms_norm(columns(from_h, from: 42, count: 21), gain: g_hc)
        candidate = tanh(new_x + reset * new_h)
      } -> y = update * h + (1.0 - update) * candidate
      """,
      """
      kernel packed_mlp(x: f32[rows, 40], gain: f32[40], w: f32[40, 66], down: f32[33, 40]) {
        hidden = matmul(rms_norm(x, gain: gain), w)
        gate = columns(hidden, from: 0, count: 33)
        up = columns(hidden, from: 33, count: 33)
        y = matmul(silu(gate) * up, down) + x
      } -> y
      """,
    ][index]
    let forward = try #require(try GraphParser.graphs(in: text).first)
    let gradient = try forward.gradient()
    try Targets.check(try calls(gradient, [1, 15, 257]), bounded: true, targets: Targets.native)
  }

  // MARK: Plans

  /// Parts are written where the row lies: no row is copied once more, and no stage only copies.
  @Test func partsAreWrittenInPlace() throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let z = Tensor.input("z", [.rows, 4], .f32)
    let stored = try Compiler(target: .portable).lower(
      Kernel("stored", Tensor.concatenate([x.tanh(), z])))
    #expect(stored.program.panels.isEmpty)
    #expect(stored.program.steps.count == 1)
    #expect(stored.program.views.map(\.offset) == [0, 8])
    #expect(stored.program.views.allSatisfy { $0.base == "y" })
    let multiplied = try Compiler(target: .portable).lower(
      Kernel(
        "multiplied", Tensor.concatenate([x.tanh(), z]).matmul(.input("w", [12, 5], .f32))))
    #expect(multiplied.program.panels.map(\.columns) == [12, 5])
    #expect(multiplied.program.steps.count == 3)
  }

  @Test func planNamesItsViews() throws {
    let x = Tensor.input("x", [.rows, 8], .f32)
    let plan = try FusionPlanner.plan(
      of: Kernel("k", Tensor.concatenate([x.columns(4..<8), x])).graph())
    let text = PlanPrinter.text(of: plan)
    #expect(text.contains("view x_part: x from column 4 on, read\n"))
    #expect(text.contains("view y_part: y from column 0 on, written\n"))
    #expect(text.contains("view y_part2: y from column 4 on, written\n"))
  }

  @Test func rowsOfSeveralAxesAreRefused() throws {
    let x = Tensor.input("x", [.rows, 2, 8], .f32)
    let kernel = Kernel("k", Tensor.concatenate([x, x.tanh()]))
    #expect {
      try Compiler(target: .portable).lower(kernel)
    } throws: { error in
      "\(error)".contains("concatenated to rows of shape [rows, 2, 16]; reshape each to one axis")
    }
  }

  // MARK: Mutants

  /// A change of the views of a program.
  struct Mutant: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the verifier says; nil where only the oracle can know.
    let message: String?
    let offsets: @Sendable ([Int]) -> [Int]
    var dropsLastPart = false

    var testDescription: String { name }

    func program(_ right: LoopProgram) -> LoopProgram {
      let offsets = offsets(right.views.map(\.offset))
      let views = zip(right.views, offsets).map {
        LoopProgram.View(name: $0.name, base: $0.base, offset: $1)
      }
      let steps = right.steps.map { step -> LoopProgram.Step in
        guard dropsLastPart, case .rows(let kernels) = step else { return step }
        let last = right.views.last?.name
        return .rows(kernels.filter { !$0.buffers.contains { $0.name == last } })
      }
      return LoopProgram(
        name: right.name, buffers: right.buffers, lanes: right.lanes, chunkRows: right.chunkRows,
        panels: right.panels, views: views, steps: steps, totals: right.totals)
    }
  }

  static let mutants: [Mutant] = [
    Mutant(name: "parts exchanged", message: nil) { [$0[1], $0[0], $0[2]] },
    Mutant(name: "wrong offset", message: "are written twice") { [$0[0], $0[1] - 1, $0[2]] },
    Mutant(name: "offset beyond the row", message: "does not lie in") {
      [$0[0], $0[1], $0[2] + 1]
    },
    Mutant(
      name: "missing zeros", message: "is no panel of 42", offsets: { $0 }, dropsLastPart: true),
  ]

  /// Two parts of the same length and zeros in front of a product.
  private func joint(_ target: Target) throws -> Lowering {
    let x = Tensor.input("x", [.rows, 16], .f32)
    let z = Tensor.input("z", [.rows, 16], .f32)
    let row = Tensor.concatenate([x.tanh(), z.sigmoid(), Self.zeros(10)])
    return try Compiler(target: target).lower(
      Kernel("joint", row.matmul(.input("w", [42, 12], .f32))))
  }

  private func isAccepted(_ right: Lowering, source: String? = nil) throws -> Bool {
    let inputs = try RandomInputs.tensors(for: right.graph, rows: 9, seed: 13)
    let outputs = try LaidOutCall(
      lowering: source.map { right.replacingSource(with: $0) } ?? right, rows: 9, inputs: inputs
    ).outputs(at: .beginning)
    return try KernelCheck(KernelCall(right, rows: 9, inputs: inputs), outputs: outputs).passes
  }

  @Test(arguments: mutants)
  func wrongViewsAreCaught(mutant: Mutant) throws {
    let right = try joint(try #require(Targets.native.last))
    try LoopProgramVerifier.verify(right.program)
    #expect(try isAccepted(right))
    let program = mutant.program(right.program)
    guard let message = mutant.message else {
      try LoopProgramVerifier.verify(program)
      let module = FunctionLowering.module(
        of: program, target: right.target, schedules: right.schedules)
      let source = try CEmitter.source(
        of: module, program: program, graph: right.graph, target: right.target,
        schedules: right.schedules, command: "none")
      #expect(try !isAccepted(right, source: source.source), "'\(mutant.name)' survives")
      return
    }
    let error = #expect(throws: LoopError.self) { try LoopProgramVerifier.verify(program) }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  /// Wrong kernels that the right one's oracle must refuse.
  static let graphs: [(name: String, wrong: @Sendable (Tensor, Tensor) -> Tensor)] = [
    ("parts exchanged", { .concatenate([$1, $0, zeros(10)]) }),
    ("zeros in front", { .concatenate([zeros(10), $0, $1]) }),
    ("ones for zeros", { .concatenate([$0, $1, Tensor.constant(1).leadingPart(10, of: 10)]) }),
    ("columns of the other part", { .concatenate([$0, $0 + 0 * $1, zeros(10)]) }),
  ]

  @Test(arguments: graphs.indices)
  func wrongConcatenationsAreCaught(index: Int) throws {
    let x = Tensor.input("x", [.rows, 16], .f32)
    let z = Tensor.input("z", [.rows, 16], .f32)
    let compiler = Compiler(target: try #require(Targets.native.last))
    let right = try compiler.lower(Kernel("k", Tensor.concatenate([x, z, Self.zeros(10)])))
    let wrong = try compiler.lower(Kernel("k", Self.graphs[index].wrong(x, z)))
    let inputs = try RandomInputs.tensors(for: right.graph, rows: 9, seed: 13)
    func isAccepted(_ lowering: Lowering) throws -> Bool {
      let outputs = try compiler.compile(lowering)(inputs)
      return try KernelCheck(KernelCall(right, rows: 9, inputs: inputs), outputs: outputs).passes
    }
    #expect(try isAccepted(right))
    #expect(try !isAccepted(wrong), "'\(Self.graphs[index].name)' survives")
  }
}
