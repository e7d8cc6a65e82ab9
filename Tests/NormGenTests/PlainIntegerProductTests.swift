import NormGen
import NormGenCheck
import NormGenLoopInterpreter
import NormGenTestSupport
import Testing

/// Products of integers whose weights are an i8 input: exact sums over whole rows, rounded once.
@Suite struct PlainIntegerProductTests {
  private func graph(
    _ layout: Matmul.WeightLayout, terms: Int, columns: Int
  ) throws -> Graph {
    let extents: [Extent] =
      layout == .outIn ? [.fixed(columns), .fixed(terms)] : [.fixed(terms), .fixed(columns)]
    let q = Tensor.input("q", [.rows, .fixed(terms)], .i8)
    let w = Tensor.input("w", extents, .i8)
    return try Kernel(
      "sums_\(layout.rawValue)_\(terms)_\(columns)",
      q.matmul(w, layout: layout, accumulate: .int8).named("y")
    ).graph()
  }

  static let shapes: [(terms: Int, columns: Int)] = [(4, 1), (36, 33), (512, 31), (1028, 65)]

  @Test(arguments: Matmul.WeightLayout.allCases, shapes)
  func sumsHaveTheExactBits(
    layout: Matmul.WeightLayout, shape: (terms: Int, columns: Int)
  ) throws {
    let graph = try graph(layout, terms: shape.terms, columns: shape.columns)
    for rows in [0, 1, 2, 3, 7, 16, 17, 113] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
      var expected: [String: HostTensor]?
      for target in IntegerProductTests.native {
        let kernel = try Compiler(target: target).compile(graph)
        var found = [try kernel(inputs)]
        for threads in rows == 17 ? Array(2...7) : [] {
          found.append(try kernel(inputs, threads: threads))
        }
        if rows == 7 {
          var reading = Compiler(target: target)
          reading.schedule.matmul = MatmulSchedule(packsWeights: false)
          found.append(try reading.compile(graph)(inputs))
        }
        for outputs in found {
          if let expected {
            #expect(firstDifference(expected, outputs) == nil, "\(target), \(rows) rows")
          } else {
            try expectExact(outputs, of: graph, rows: rows, inputs, "\(target)")
            expected = outputs
          }
        }
      }
    }
  }

  @Test func loopsAndEmulatedTargetsHaveTheSameBits() throws {
    var calls: [Targets.Call] = []
    // Of four terms a part gathers less than a cache line.
    for (layout, terms, columns) in [
      (Matmul.WeightLayout.outIn, 36, 35), (.inOut, 520, 9), (.outIn, 4, 3),
    ] {
      let graph = try graph(layout, terms: terms, columns: columns)
      for rows in [1, 5] {
        let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 9)
        calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
        for target in [Target.portable, .avx2, .avx512vnni] {
          for packs in [true, false] {
            var compiler = Compiler(target: target)
            compiler.schedule.matmul = MatmulSchedule(packsWeights: packs)
            let found = try LoopInterpreter.outputs(
              of: compiler.lower(graph).module, rows: rows, inputs: inputs, parts: rows)
            try expectExact(
              found, of: graph, rows: rows, inputs, "loops of \(target), packed: \(packs)")
          }
        }
      }
    }
    try Targets.check(calls, bounded: false, targets: IntegerProductTests.usable)
  }

  /// The greatest sums of the longest rows fit, and are rounded once.
  @Test func theGreatestSumsAreExact() throws {
    let terms = Matmul.Accumulation.mostIntegers
    let graph = try graph(.outIn, terms: terms, columns: 4)
    let q = try HostTensor(
      [-128, 127].flatMap { [Double](repeating: $0, count: terms) }, shape: [2, terms], .i8)
    // The last column's sums are no Float32 numbers.
    let columns: [(Int) -> Double] = [
      { _ in -128 }, { _ in 127 }, { _ in -1 }, { $0 % 5 > 0 ? 1 : 127 },
    ]
    var weights: [Double] = []
    for column in columns { weights += (0..<terms).map(column) }
    let inputs = ["q": q, "w": try HostTensor(weights, shape: [4, terms], .i8)]
    for target in IntegerProductTests.native {
      let found = try Compiler(target: target).compile(graph)(inputs)
      try expectExact(found, of: graph, rows: 2, inputs, "\(target)")
      #expect(found["y"]?[0] == 16384 * Double(terms))
    }
  }

  /// Rows quantized by their own scales, weights by their columns': one kernel with norm and gate.
  static let mlp = """
    kernel mlp(x: f32[rows, 256], gain: f32[256], w_gate: i8[48, 256], s_gate: f32[48],
      w_up: i8[48, 256], s_up: f32[48]) {
      normed = rms_norm(x, gain: gain)
      q = quantize_rows(normed)
      s = quantize_rows_scale(normed)
      gate = matmul(q, w_gate, layout: out_in, accumulate: int8) * s * s_gate
      up = matmul(q, w_up, layout: out_in, accumulate: int8) * s * s_up
    } -> y: f32 = silu(gate) * up

    """

  @Test func normsProductsAndScalesAreOneKernel() throws {
    let graph = try GraphParser.graphs(in: Self.mlp)[0]
    for rows in [0, 1, 17] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
      for target in IntegerProductTests.native {
        let kernel = try Compiler(target: target).compile(graph)
        try expectExact(kernel(inputs), of: graph, rows: rows, inputs, "\(target)")
        try expectExact(
          kernel(inputs, threads: 3), of: graph, rows: rows, inputs, "\(target), parts")
      }
    }
    let program = try Compiler(target: .avx2).lower(graph).program
    #expect(Set(program.products.map(\.x)).count == 1)
    #expect(Set(program.products.map(\.integers?.sums)).count == 1)
  }

  /// An edit of the C of a product, which the exact interpreter must see.
  static let edits: [(name: String, pattern: String, replacement: String)] = [
    ("sums that begin at zero", "chain[r][v] = sums_from_float(start)", "chain[r][v] = (ivec){0}"),
    ("weights with their sign", "sign_flipped(weights[", "(weights["),
    ("a step left out", "k < depth - 3", "k < depth - 7"),
    ("the neighbour's sum", "x_sums[16 * r]", "x_sums[0]"),
  ]

  @Test(arguments: edits.indices)
  func wrongCIsCaught(number: Int) throws {
    let edit = Self.edits[number]
    var catches = MutantCatches(edit.name, by: .bound)
    for columns in [33, 48] {
      let right = try Compiler(target: .portable).lower(
        graph(.outIn, terms: 64, columns: columns))
      try catches.add(
        kernel: "\(columns) columns", editOf: right, rows: 15, edit.pattern,
        with: edit.replacement)
    }
    catches.require()
  }

  /// What such a product does not take is refused in the user's own names.
  @Test func otherOperandsAreRefused() {
    func refusal(_ body: String, _ parameters: String = "q: i8[rows, 8], w: i8[4, 8]") -> String {
      do {
        _ = try GraphParser.graphs(
          in: "kernel k(\(parameters), s: f32[rows, 2]) {\n  y = \(body)\n} -> y: f32\n")
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal("matmul(q, w, layout: out_in, accumulate: int8) * mean(s)") == "")
    let scaled = refusal("matmul(q, w, layout: out_in, accumulate: int8, scale: s)")
    #expect(scaled.contains("an int8 product of the i8 input 'w' takes no scale"))
    let odd = refusal(
      "matmul(q, w, layout: out_in, accumulate: int8) * mean(s)", "q: i8[rows, 6], w: i8[4, 6]")
    #expect(odd.contains("a multiple of 4 products, at most 131068"))
    #expect(odd.contains("found rows of 6 elements"))
    let unsigned = refusal(
      "matmul(q, w, layout: out_in, accumulate: int8) * mean(s)", "q: i8[rows, 8], w: u8[4, 8]")
    #expect(unsigned.contains("must be an i8 input or lie in quantized blocks"))
  }
}
