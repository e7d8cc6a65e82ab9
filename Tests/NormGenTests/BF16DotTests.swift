import NormGen
import NormGenCheck
import Testing

/// The model of the hardware's bf16 dot product, and what the oracle makes of it.
@Suite struct BF16DotTests {
  private func pair(_ word: UInt32) -> (first: Float, second: Float) {
    (Float(bitPattern: word << 16), Float(bitPattern: word & 0xffff_0000))
  }

  @Test(arguments: BF16DotRecord.cases.map(\.key))
  func modelGivesTheProcessorsBits(rule: String) throws {
    let text = try #require(BF16DotRecord.cases.first { $0.key == rule }).value
    let words = text.split { $0.isWhitespace }.compactMap { UInt32($0, radix: 16) }
    try #require(words.count >= 4 * 16 && words.count % 4 == 0)
    for start in stride(from: 0, to: words.count, by: 4) {
      let (accumulator, x, weights) = (words[start], words[start + 1], words[start + 2])
      let result = BF16Dot.bf16Dot(
        accumulator: Float(bitPattern: accumulator), pair(x), pair(weights))
      let bits = result.isNaN ? 0x7fc0_0000 : result.bitPattern
      #expect(
        bits == words[start + 3], "\([accumulator, x, weights].map { String($0, radix: 16) })")
    }
  }

  typealias Pair = (first: Float, second: Float)
  typealias Step = @Sendable (Float, Pair, Pair) -> Float

  /// Rules that a processor might follow instead, by the rule of the record that each breaks.
  private static let otherModels: [(broken: String, step: Step)] = [
    (
      "the second product is added first",
      { BF16Dot.bf16Dot(accumulator: $0, ($1.second, $1.first), ($2.second, $2.first)) }
    ),
    (
      "products are fused",
      { ($0 + $1.second * $2.second) + $1.first * $2.first }
    ),
    (
      "each product is rounded on its own",
      { accumulator, x, weights in
        let first = Double(x.first) * Double(weights.first)
        let second = Double(x.second) * Double(weights.second)
        return Float(Double(accumulator) + (first + second))
      }
    ),
    (
      "denormal results are zero",
      { $0.addingProduct($1.second, $2.second).addingProduct($1.first, $2.first) }
    ),
  ]

  @Test(arguments: otherModels.map(\.broken))
  func otherModelsContradictTheRecord(broken: String) throws {
    let step = try #require(Self.otherModels.first { $0.broken == broken }).step
    let text = try #require(BF16DotRecord.cases.first { $0.key == broken }).value
    let words = text.split { $0.isWhitespace }.compactMap { UInt32($0, radix: 16) }
    let contradictions = stride(from: 0, to: words.count, by: 4).count { start in
      let accumulator = Float(bitPattern: words[start])
      let result = step(accumulator, pair(words[start + 1]), pair(words[start + 2]))
      return result.bitPattern != words[start + 3]
    }
    #expect(contradictions > words.count / 8)
  }

  /// The ordinary order of a product's sum, judged as the model's.
  @Test func otherSumsAreNotTheModels() throws {
    let (terms, columns, rows) = (513, 40, 9)
    let x = Tensor.input("x", [.rows, .fixed(terms)], .bf16)
    let weights = Tensor.input("w", [.fixed(terms), .fixed(columns)], .bf16)
    func kernel(_ accumulation: Matmul.Accumulation) -> Kernel {
      Kernel(
        "k",
        outputs: [Kernel.Output("y", x.matmul(weights, accumulate: accumulation), as: .f32)])
    }
    let compiler = Compiler(target: HostCPU.current.bestTarget)
    let right = try compiler.lower(kernel(.bf16Dot))
    let inputs = try RandomInputs.tensors(for: right.graph, rows: rows, seed: 7)
    let call = KernelCall(right, rows: rows, inputs: inputs)
    #expect(try KernelCheck(call, outputs: try compiler.compile(right)(inputs)).passes)
    let wrong = try compiler.compile(kernel(.fused))
    #expect(try !KernelCheck(call, outputs: try wrong(inputs)).passes)
  }

  /// The product by single calls of the model, literally as the licence says.
  private func product(
    _ x: HostTensor, _ weights: HostTensor, rows: Int, terms: Int, columns: Int,
    _ layout: Matmul.WeightLayout
  ) -> [Float] {
    var result: [Float] = []
    for row in 0..<rows {
      for column in 0..<columns {
        func value(_ k: Int) -> Float { k < terms ? Float(x[row * terms + k]) : 0 }
        func weight(_ k: Int) -> Float {
          guard k < terms else { return 0 }
          switch layout {
          case .inOut: return Float(weights[k * columns + column])
          case .outIn: return Float(weights[column * terms + k])
          }
        }
        var total: Float = 0
        for start in stride(from: 0, to: terms, by: 512) {
          var sum: Float = 0
          for k in stride(from: start, to: min(start + 512, terms), by: 2) {
            sum = BF16Dot.bf16Dot(
              accumulator: sum, (value(k), value(k + 1)), (weight(k), weight(k + 1)))
          }
          total = start == 0 ? sum : total + sum
        }
        result.append(total)
      }
    }
    return result
  }

  @Test(arguments: Matmul.WeightLayout.allCases)
  func oracleOfExactRowsIsTheModelItself(layout: Matmul.WeightLayout) throws {
    for (terms, columns) in [(1, 1), (7, 3), (512, 65), (513, 2), (1027, 70)] {
      let x = Tensor.input("x", [.rows, .fixed(terms)], .bf16)
      let axes: [Extent] =
        layout == .inOut
        ? [.fixed(terms), .fixed(columns)]
        : [.fixed(columns), .fixed(terms)]
      let weights = Tensor.input("w", axes, .bf16)
      let kernel = Kernel(
        "k",
        outputs: [
          Kernel.Output("y", x.matmul(weights, layout: layout, accumulate: .bf16Dot), as: .f32)
        ])
      let graph = try kernel.graph()
      let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 5)
      let oracle = try GraphInterpreter.outputs(of: graph, rows: 3, inputs: inputs)[0]
      let expected = product(
        try #require(inputs["x"]), try #require(inputs["w"]), rows: 3, terms: terms,
        columns: columns, layout)
      #expect(oracle == expected.map { Bounded(Double($0)) }, "\(terms) × \(columns)")
    }
  }

  /// Rows that a kernel may round either way: whichever it does, the model stays in the bound.
  @Test func oracleOfUncertainRowsHoldsTheModelOfEveryRounding() throws {
    let (terms, columns, rows) = (600, 33, 16)
    let source = Tensor.input("x", [.rows, .fixed(terms)], .f32)
    let rounded = (source / source.sum()).rounded(to: .bf16).named("rounded")
    let weights = Tensor.input("w", [.fixed(terms), .fixed(columns)], .bf16)
    let kernel = Kernel(
      "k",
      outputs: [
        Kernel.Output("y", rounded.matmul(weights, accumulate: .bf16Dot), as: .f32),
        Kernel.Output("rounded", rounded, as: .bf16),
      ])
    let graph = try kernel.graph()
    // The sum cancels almost wholly, so that many quotients are uncertain.
    var inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 11)
    let values = try #require(inputs["x"]).doubles
    let balanced = values.enumerated().map { position, value in
      position % 2 == 0 ? value : -values[position - 1] * (1 + value * 0x1p-7)
    }
    inputs["x"] = try HostTensor(balanced, shape: [rows, terms], .f32)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: rows, inputs: inputs)
    let quotients = oracle[1]
    #expect(quotients.contains { $0.error > 0 })
    for direction in [-1.0, 0, 1] {
      let held = quotients.map {
        DType.bf16.rounded($0.value + direction * $0.error)
      }
      let x = try HostTensor(held, shape: [rows, terms], .bf16)
      let results = product(
        x, try #require(inputs["w"]), rows: rows, terms: terms, columns: columns, .inOut)
      for (result, bounded) in zip(results, oracle[0]) {
        #expect(!bounded.isVacuous)
        #expect(abs(Double(result) - bounded.value) <= bounded.error)
      }
    }
  }

  /// Sums around the least normal number, where flushing decides.
  @Test func oracleOfUncertainRowsAllowsForFlushing() throws {
    let (terms, columns, rows) = (64, 40, 8)
    let source = Tensor.input("x", [.rows, .fixed(terms)], .f32)
    let rounded = (source * (1 + 0x1p-23)).rounded(to: .bf16)
    let weights = Tensor.input("w", [.fixed(terms), .fixed(columns)], .bf16)
    let kernel = Kernel(
      "k",
      outputs: [Kernel.Output("y", rounded.matmul(weights, accumulate: .bf16Dot), as: .f32)])
    let graph = try kernel.graph()
    let plain = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
    // The product lies within half a unit of a tie of bf16.
    let scale = 0x1p-64
    let x = try #require(plain["x"]).doubles.map { value in
      let tie = DType.bf16.rounded(value) + DType.bf16.ulp(at: value) / 2
      return DType.f32.rounded(tie * (1 - 0x1p-23)) * scale
    }
    let w = try #require(plain["w"]).doubles.map { $0 * scale }
    let inputs = [
      "x": try HostTensor(x, shape: [rows, terms], .f32),
      "w": try HostTensor(w, shape: [terms, columns], .bf16),
    ]
    let values = try GraphInterpreter.allValues(of: graph, rows: rows, inputs: inputs)
    let id = try #require(graph.values.first { graph[$0].op == .convert(.bf16) })
    let product = values[graph.outputs[0].value.index]
    let held = try HostTensor(
      values[id.index].map { DType.bf16.rounded($0.value + $0.error) }, shape: [rows, terms],
      .bf16)
    #expect(values[id.index].contains { $0.error > 0 })
    let results = self.product(
      held, try #require(inputs["w"]), rows: rows, terms: terms, columns: columns, .inOut)
    #expect(results.contains { abs($0) < Float.leastNormalMagnitude })
    for (result, bounded) in zip(results, product) {
      #expect(!bounded.isVacuous)
      #expect(abs(Double(result) - bounded.value) <= bounded.error)
    }
  }

  @Test func valuesMustBeRoundedToBF16() throws {
    let x = Tensor.input("x", [.rows, 8], .bf16)
    let single = Tensor.input("x", [.rows, 8], .f32)
    let weights = Tensor.input("w", [8, 4], .bf16)
    let wide = Tensor.input("w", [8, 4], .f32)
    func reason(_ tensor: Tensor) -> GraphError.Reason? {
      do {
        _ = try Kernel("k", tensor).graph()
        return nil
      } catch {
        return error.reason
      }
    }
    let dot = Matmul.Accumulation.bf16Dot
    #expect(reason(x.matmul(weights, accumulate: dot)) == nil)
    #expect(reason((x * 2).rounded(to: .bf16).matmul(weights, accumulate: dot)) == nil)
    let heads = Tensor.input("x", [.rows, 16], .bf16).reshaped([.rows, 2, 8])
    #expect(reason(heads.matmul(weights, accumulate: dot)) == nil)
    #expect(
      reason(single.matmul(weights, accumulate: dot))
        == .matmul(.valueNotBF16(found: .input(name: "x", storage: .f32))))
    #expect(
      reason((x * 2).matmul(weights, accumulate: dot))
        == .matmul(.valueNotBF16(found: .elementwise(.multiply))))
    #expect(
      reason(x.rounded(to: .f16).matmul(weights, accumulate: dot))
        == .matmul(.valueNotBF16(found: .convert(.f16))))
    #expect(
      reason(x.matmul(wide, accumulate: dot))
        == .matmul(.weightsNotBF16(found: .input(name: "w", storage: .f32))))
    let message = try #require(reason((x * 2).matmul(weights, accumulate: dot))).description
    #expect(message.contains(".rounded(to: .bf16)") && message.contains("'multiply'"))
  }
}
