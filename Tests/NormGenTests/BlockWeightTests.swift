import NormGen
import NormGenCheck
import NormGenLoopInterpreter
import NormGenTestSupport
import Testing

/// Products with weights in blocks of integers and scales: the exact interpreter's bits for every format, on
/// every target, for any rows and parts.
@Suite struct BlockWeightTests {
  /// None, one, and what tiles that unpack in registers, those that do not, and chunks leave over.
  static let rows = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 113]
  static let formats = BlockFormat.sampled

  /// A product of `blocks` blocks with an odd number of columns.
  private func graph(_ format: BlockFormat, blocks: Int, columns: Int = 33) throws -> Graph {
    let terms = blocks * format.elementCount
    let x = Tensor.input("x", [.rows, .fixed(terms)], .f32)
    let w = Tensor.input("w", [.fixed(columns), .fixed(terms)], format)
    return try Kernel(
      "product_of_\(format.name)_\(blocks)", outputs: [.init("y", x.matmul(w, layout: .outIn))]
    ).graph()
  }

  private func judge(
    _ y: HostTensor?, of graph: Graph, rows: Int, _ inputs: [String: HostTensor], _ detail: String
  ) throws {
    try expectExact(
      [graph.outputs[0].name: #require(y)], of: graph, rows: rows, inputs, detail)
  }

  // MARK: Bits

  /// All rows at once have the exact bits, and fewer of them the same ones.
  @Test(arguments: formats)
  func everyFormatHasTheExactBits(format: BlockFormat) throws {
    let most = try #require(Self.rows.max())
    // Fewer terms than a block of the canonical order, and more.
    for blocks in [1, 512 / format.elementCount + 1] {
      let graph = try graph(format, blocks: blocks)
      var inputs = try RandomInputs.tensors(for: graph, rows: most, seed: 5)
      let x = try #require(inputs["x"])
      var expected: HostTensor?
      for target in Targets.native {
        let kernel = try Compiler(target: target).compile(graph)
        for rows in Self.rows.reversed() {
          inputs["x"] = try leading(rows, of: x)
          let y = try #require(try kernel(inputs)["y"])
          if let expected {
            let difference = y.firstDifference(from: try leading(rows, of: expected))
            #expect(difference == nil, "\(graph.name), \(target), \(rows) rows")
          } else {
            try judge(y, of: graph, rows: rows, inputs, "\(target)")
            expected = y
          }
          guard rows == 17 else { continue }
          for threads in 2...7 {
            let parted = try kernel(inputs, threads: threads)["y"]
            #expect(parted?.firstDifference(from: y) == nil, "\(threads) threads")
          }
        }
      }
    }
  }

  /// The first rows of a tensor.
  private func leading(_ rows: Int, of tensor: HostTensor) throws -> HostTensor {
    let count = rows * tensor.shape.dropFirst().reduce(1, *)
    return try HostTensor(
      Array(tensor.doubles.prefix(count)), shape: [rows] + tensor.shape.dropFirst(),
      tensor.storage)
  }

  @Test(arguments: formats)
  func theirLoopsHaveTheExactBits(format: BlockFormat) throws {
    let graph = try graph(format, blocks: 1, columns: 35)
    for rows in [1, 4] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 9)
      for target in [Target.portable, .avx2, .avx512] {
        let module = try Compiler(target: target).lower(graph).module
        let y = try LoopInterpreter.outputs(of: module, rows: rows, inputs: inputs, parts: rows)[
          "y"]
        try judge(y, of: graph, rows: rows, inputs, "\(target)")
      }
    }
  }

  @Test func emulatedTargetsHaveTheSameBits() throws {
    var calls: [Targets.Call] = []
    for (number, format) in Self.formats.enumerated() {
      let graph = try graph(format, blocks: number % 2 + 1)
      for rows in [1, 5] {
        let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 2)
        calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
      }
    }
    try Targets.check(calls, bounded: false, targets: Targets.usable)
  }

  /// Scales that are infinite, NaN, denormal or zero of either sign, integers at both ends.
  @Test(arguments: formats)
  func specialNumbersAreWhatTheOperationsGive(format: BlockFormat) throws {
    let graph = try graph(format, blocks: 3)
    var inputs = try RandomInputs.tensors(for: graph, rows: 2, seed: 4)
    let special: [UInt8] = [0x7c, 0xfc, 0x7e, 0x00, 0x80, 0x7b, 0x03]
    var w = try #require(inputs["w"])
    w.withUnsafeMutableBytes { bytes in
      for block in 0..<bytes.count / format.byteCount {
        let first = block * format.byteCount
        let kind = block % (special.count + 3)
        guard kind < special.count else {
          // All bits of the integers alike, beside the numbers that were drawn.
          guard kind > special.count else { continue }
          let numbers = [format.scale] + (format.minimum.map { [$0.factor] } ?? [])
          let kept = Set(numbers.flatMap { $0.byte..<$0.byte + 2 })
          for byte in 0..<format.byteCount where !kept.contains(byte) {
            bytes[first + byte] = kind == special.count + 1 ? 0 : 0xff
          }
          continue
        }
        bytes[first + format.scale.byte] = 0
        bytes[first + format.scale.byte + 1] = special[kind]
      }
    }
    inputs["w"] = w
    for target in Targets.native {
      let y = try Compiler(target: target).compile(graph)(inputs)["y"]
      try judge(y, of: graph, rows: 2, inputs, "\(target)")
    }
  }

  // MARK: Mistakes

  /// An edit of the C of a product of 544 terms with q4_0 or q4_K blocks.
  struct Edit: Sendable, CustomTestStringConvertible {
    let name: String
    let format: BlockFormat
    let pattern: String
    let replacement: String
    var rows = 15

    var testDescription: String { name }
  }

  private static let groups = BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: true)

  static let edits: [Edit] = [
    Edit(
      name: "order of nibbles", format: .q4_0, pattern: "8 * j + 4 * t, 4)",
      replacement: "8 * j + 4 * (1 - t), 4)"),
    Edit(
      name: "zero point of the neighbouring column", format: groups,
      pattern: "c + 32] = c < count",
      replacement: "(c ^ 1) + 32] = c < count"),
    Edit(
      name: "zero point of a group dropped", format: groups,
      pattern: " - zero_points[v]",
      replacement: ""),
    Edit(name: "zero point off by one", format: .q6_K, pattern: "- 32.0f", replacement: "- 31.0f"),
    Edit(
      name: "sign of a quant lost", format: .q8_0,
      pattern: "float_from_bits(signed_bits_of_words(words[v], 8 * j, 8))",
      replacement: "float_from_bits(signed_bits_of_words(words[v], 8 * j, 8) & 0x7fu)"),
    Edit(
      name: "scale of the neighbour", format: .q4_0, pattern: "2 * c + i] = c < count",
      replacement: "2 * (c ^ 1) + i] = c < count"),
    Edit(
      name: "second sliver is the first again", format: .q4_0, pattern: "4896 * (v / 2)",
      replacement: "4896 * 0", rows: 1),
    Edit(
      name: "group off by one", format: .q4_0, pattern: "packed + 288 * (k / 32)",
      replacement: "packed + 288 * ((k + 32) % depth / 32)"),
    Edit(
      name: "integer of another sub-block", format: .q4_K, pattern: "+ 16 * s +",
      replacement: "+ 16 * (s ^ 1) +"),
    Edit(
      name: "minimum added", format: .q4_K, pattern: "offsets[v] = -(",
      replacement: "offsets[v] = ("),
    Edit(
      name: "high bits of a scale missing", format: .q4_K,
      pattern: " | stored_bits(weights, bit_2, 2) << 4u", replacement: ""),
    Edit(
      name: "word of the next run", format: .q4_K, pattern: "(4 * s + u)",
      replacement: "(4 * s + (u ^ 1))"),
  ]

  @Test(arguments: edits)
  func wrongCIsCaught(edit: Edit) throws {
    var catches = MutantCatches(edit.name)
    for columns in [33, 48] {
      let blocks = edit.format.elementCount == 32 ? 17 : 3
      let right = try Compiler(target: .avx2).lower(
        graph(edit.format, blocks: blocks, columns: columns))
      try catches.add(
        kernel: "\(columns) columns", editOf: right, rows: edit.rows, edit.pattern,
        with: edit.replacement)
    }
    if Targets.native.contains(.avx2) { catches.require() }
  }

  /// Plain arrays of integers, scales and zero points have the bits of their blocks.
  @Test func plainArraysHaveTheBitsOfGroups() throws {
    let format = BlockFormat.grouped(bits: 8, group: 64, hasZeroPoints: true)
    let (columns, terms) = (9, 192)
    let groups = columns * terms / 64
    let x = Tensor.input("x", [.rows, .fixed(terms)], .f32)
    let q = Tensor.input("q", [.fixed(columns), .fixed(terms)], .u8)
    let s = Tensor.input("s", [.fixed(columns), .fixed(terms / 64)], .f16)
    let z = Tensor.input("z", [.fixed(columns), .fixed(terms / 64)], .u8)
    let plain = try Kernel(
      "plain", x.matmul(q.dequantized(scale: s, zeroPoint: z, group: 64), layout: .outIn)
    ).graph()
    let w = Tensor.input("w", [.fixed(columns), .fixed(terms)], format)
    let blocks = try Kernel("blocks", x.matmul(w, layout: .outIn)).graph()
    var inputs = try RandomInputs.tensors(for: plain, rows: 5, seed: 8)
    func bytes(_ name: String) throws -> [UInt8] {
      try #require(inputs[name]).withUnsafeBytes { Array($0) }
    }
    let (quants, scales, zeros) = try (bytes("q"), bytes("s"), bytes("z"))
    var packed = try HostTensor(zeros: [columns, groups / columns * format.byteCount], .u8)
    var own: [UInt8] = []
    for group in 0..<groups {
      own += scales[2 * group..<2 * group + 2]
      own.append(zeros[group])
      own += quants[64 * group..<64 * group + 64]
    }
    packed.withUnsafeMutableBytes { $0.copyBytes(from: own) }
    let expected = try Compiler().compile(blocks)(
      ["x": try #require(inputs["x"]), "w": packed])
    inputs["w"] = nil
    let found = try Compiler().compile(plain)(inputs)
    #expect(
      try #require(found.values.first).firstDifference(from: #require(expected.values.first)) == nil
    )
  }

  // MARK: What is refused

  private func planError(_ text: String) throws -> String {
    let graph = try GraphParser.graphs(in: text, file: "w.ng")[0]
    var found = ""
    do { _ = try Compiler(target: .portable).lower(graph) } catch { found = "\(error)" }
    return found
  }

  @Test func onlyProductsReadBlocksAlongTheirTerms() throws {
    let cases = [
      (
        "y = x * dequantize(w, format: q8_0)", "w: u8[34]",
        "w.ng:2:9: kernel 'k' cannot be planned: 'y' is computed from the q8_0 blocks of 'w', which only "
          + "products read; give it their values as f32"
      ),
      (
        "y = matmul(x, w)", "w: q4_0[32, 32]",
        "the q4_0 blocks of 'w' lie along the axis that no product is summed over; store the weights "
          + "[out, in] and say 'layout: out_in'"
      ),
      (
        "y = matmul(x, w * 2, layout: out_in)", "w: q4_0[32, 32]",
        "is computed from the q4_0 blocks of 'w', which only products read"
      ),
    ]
    for (statement, input, message) in cases {
      let found = try planError("kernel k(x: f32[rows, 32], \(input)) {\n  \(statement)\n} -> y\n")
      #expect(found.contains(message), "\(found)")
    }
    let twice = try planError(
      """
      kernel k(x: f32[rows, 32], w: u8[34, 34]) {
        y = matmul(x, dequantize(w, format: q8_0), layout: out_in)
        z = matmul(concatenate(x, columns(x, from: 0, count: 2)), w * 0.5, layout: out_in)
      } -> y, z
      """)
    #expect(twice.contains("'w' is read in another way than as q8_0 blocks, too"), "\(twice)")
  }

  @Test func aFormatThatCannotBePackedIsRefused() throws {
    let odd = BlockFormat(
      name: "odd", number: 900, elementCount: 24, byteCount: 26,
      quants: .init(.init(8, byte: 2, extents: [24], strides: [8])), scale: .init(byte: 0))
    let x = Tensor.input("x", [.rows, 48], .f32)
    let y = x.matmul(.input("w", [5, 48], odd), layout: .outIn)
    #expect(throws: (any Error).self) {
      try Compiler(target: .portable).lower(Kernel("k", outputs: [.init("y", y)]).graph())
    }
  }
}
