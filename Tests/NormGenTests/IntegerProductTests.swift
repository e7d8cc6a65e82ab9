import Foundation
import NormGen
import NormGenCheck
import NormGenFiles
import NormGenLoopInterpreter
import NormGenTestSupport
import Testing

/// Products of integers with weights in blocks: the exact interpreter's bits for every format, on every
/// target, for any rows and parts, and those of llama.cpp.
@Suite struct IntegerProductTests {
  /// None, one, and what tiles leave over.
  static let rows = [0, 1, 2, 3, 7, 16, 17, 113]
  static let formats = BlockFormat.sampled
  /// The targets that run here, and those that do or are emulated.
  static let native = Target.all.filter { HostCPU.current.supports($0) }
  static let usable = Target.all.filter { (try? TargetMachine.of($0)) != nil }

  /// A product of `blocks` blocks with an odd number of columns.
  ///
  /// - Parameter group: How many integers share a scale; a sub-block's by default.
  private func graph(
    _ format: BlockFormat, blocks: Int, columns: Int = 33, group: Int? = nil
  ) throws -> Graph {
    let terms = blocks * format.elementCount
    let scales = terms / (group ?? format.subBlockElements)
    let q = Tensor.input("q", [.rows, .fixed(terms)], .i8)
    let s = Tensor.input("s", [.rows, .fixed(scales)], .f32)
    let w = Tensor.input("w", [.fixed(columns), .fixed(terms)], format)
    return try Kernel(
      "integers_of_\(format.name)_\(blocks)",
      q.matmul(w, layout: .outIn, accumulate: .int8, scale: s).named("y")
    ).graph()
  }

  /// The first rows of tensors that have rows.
  private func leading(
    _ rows: Int, of tensors: [String: HostTensor]
  ) throws -> [String: HostTensor] {
    var result = tensors
    for (name, tensor) in tensors where name != "w" {
      let count = rows * tensor.shape.dropFirst().reduce(1, *)
      result[name] = try HostTensor(
        Array(tensor.doubles.prefix(count)), shape: [rows] + tensor.shape.dropFirst(),
        tensor.storage)
    }
    return result
  }

  // MARK: Bits

  /// All rows at once have the exact bits, and fewer of them the same ones.
  @Test(arguments: formats)
  func everyFormatHasTheExactBits(format: BlockFormat) throws {
    let most = try #require(Self.rows.max())
    for blocks in [1, 3] {
      // A scale for each group, and one for the row.
      let graph = try graph(
        format, blocks: blocks, group: blocks == 1 ? nil : blocks * format.elementCount)
      let all = try RandomInputs.tensors(for: graph, rows: most, seed: 5)
      var expected: [String: HostTensor]?
      for target in Self.native {
        let kernel = try Compiler(target: target).compile(graph)
        for rows in Self.rows.reversed() {
          let inputs = try leading(rows, of: all)
          let found = try kernel(inputs)
          if let expected {
            #expect(
              firstDifference(try leading(rows, of: expected), found) == nil,
              "\(graph.name), \(target), \(rows) rows")
          } else {
            try expectExact(found, of: graph, rows: rows, inputs, "\(target)")
            expected = found
          }
          guard rows == 17 else { continue }
          for threads in 2...7 {
            let parted = try kernel(inputs, threads: threads)
            #expect(firstDifference(found, parted) == nil, "\(threads) threads")
          }
        }
      }
    }
  }

  @Test(arguments: formats)
  func theirLoopsHaveTheExactBits(format: BlockFormat) throws {
    let graph = try graph(format, blocks: 1, columns: 35)
    for rows in [1, 5] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 9)
      for target in [Target.portable, .avx2, .avx512] {
        let module = try Compiler(target: target).lower(graph).module
        let found = try LoopInterpreter.outputs(
          of: module, rows: rows, inputs: inputs, parts: rows)
        try expectExact(found, of: graph, rows: rows, inputs, "\(target)")
      }
    }
  }

  @Test func emulatedTargetsHaveTheSameBits() throws {
    var calls: [Targets.Call] = []
    for (number, format) in Self.formats.enumerated() {
      let graph = try graph(format, blocks: number % 2 + 1)
      for rows in [1, 7] {
        let inputs = try extremes(
          RandomInputs.tensors(for: graph, rows: rows, seed: 2), format, every: 3)
        calls.append(Targets.Call(graph: graph, rows: rows, inputs: inputs))
      }
    }
    try Targets.check(calls, bounded: false, targets: Self.usable)
  }

  /// All integers −128, 127 or 0 and all bits of quants alike, in every so many blocks and rows: what makes
  /// sums as large as they can be.
  private func extremes(
    _ tensors: [String: HostTensor], _ format: BlockFormat, every period: Int
  ) throws -> [String: HostTensor] {
    var result = tensors
    var w = try #require(tensors["w"])
    let numbers = [format.scale] + (format.minimum.map { [$0.factor] } ?? [])
    let kept = Set(numbers.flatMap { $0.byte..<$0.byte + $0.type.byteCount })
    w.withUnsafeMutableBytes { bytes in
      for block in stride(from: 0, to: bytes.count / format.byteCount, by: period) {
        for byte in 0..<format.byteCount where !kept.contains(byte) {
          bytes[block * format.byteCount + byte] = block / period % 2 == 0 ? 0xff : 0
        }
      }
    }
    result["w"] = w
    if let q = tensors["q"] {
      let columns = q.shape[1]
      let integers = q.doubles.enumerated().map { place, value -> Double in
        let row = place / columns
        return row % period == 0 ? [-128, 127, 0][row / period % 3] : value
      }
      result["q"] = try HostTensor(integers, shape: q.shape, .i8)
    }
    return result
  }

  /// 7 bits in parts of 4, 2 and 1: eight elements are unpacked together, whose sums 16 bits do not hold.
  static let sevenBits = BlockFormat(
    name: "q7", number: 1007, elementCount: 32, byteCount: 30,
    quants: BlockFormat.Integers(
      BlockFormat.Bits(4, byte: 2, extents: [32], strides: [4]),
      BlockFormat.Bits(2, byte: 18, extents: [32], strides: [2]),
      BlockFormat.Bits(1, byte: 26, extents: [32], strides: [1]), zeroPoint: 64),
    scale: BlockFormat.Factor(byte: 0))

  @Test(arguments: formats + [sevenBits])
  func theGreatestSumsAreExact(format: BlockFormat) throws {
    let graph = try graph(format, blocks: 2)
    let inputs = try extremes(
      RandomInputs.tensors(for: graph, rows: 7, seed: 6), format, every: 1)
    for target in Self.native {
      try expectExact(
        Compiler(target: target).compile(graph)(inputs), of: graph, rows: 7, inputs, "\(target)")
    }
    let module = try Compiler(target: .avx2).lower(graph).module
    let found = try LoopInterpreter.outputs(of: module, rows: 7, inputs: inputs, parts: 1)
    try expectExact(found, of: graph, rows: 7, inputs, "loops")
  }

  /// Scales of either side that are infinite, NaN, denormal or zero.
  @Test(arguments: formats)
  func specialScalesAreWhatTheOperationsGive(format: BlockFormat) throws {
    let graph = try graph(format, blocks: 3)
    var inputs = try RandomInputs.tensors(for: graph, rows: 9, seed: 4)
    let special: [UInt8] = [0x7c, 0xfc, 0x7e, 0x00, 0x80, 0x7b, 0x03]
    var w = try #require(inputs["w"])
    w.withUnsafeMutableBytes { bytes in
      for block in 0..<bytes.count / format.byteCount where block % 10 < special.count {
        bytes[block * format.byteCount + format.scale.byte] = 0
        bytes[block * format.byteCount + format.scale.byte + 1] = special[block % 10]
      }
    }
    inputs["w"] = w
    let s = try #require(inputs["s"])
    let scales: [Double] = [.infinity, -.infinity, .nan, 0x1p-140, 0, -0.0, 0x1p127]
    inputs["s"] = try HostTensor(
      s.doubles.enumerated().map {
        $0.offset % 11 < scales.count ? scales[$0.offset % 11] : $0.element
      },
      shape: s.shape, .f32)
    for target in Self.native {
      try expectExact(
        Compiler(target: target).compile(graph)(inputs), of: graph, rows: 9, inputs, "\(target)")
    }
  }

  // MARK: With what stands around it

  /// A norm, its row quantized once for two products, and what follows, in one kernel.
  static let mlp = """
    kernel mlp(x: f32[rows, 512], gain: f32[512], w_gate: q4_0[48, 512], w_up: q8_0[48, 512],
      residual: f32[rows, 48]) {
      normed = rms_norm(x, gain: gain)
      q = quantize_rows(normed, group: 32, scaling: factor)
      s = f16(quantize_rows_scale(normed, group: 32))
      gate = matmul(q, w_gate, layout: out_in, accumulate: int8, scale: s)
      up = matmul(q, w_up, layout: out_in, accumulate: int8, scale: s)
      y = silu(gate) * up + residual
    } -> y, rms_norm(y)

    """

  @Test func normsProductsAndActivationsAreOneKernel() throws {
    let graph = try GraphParser.graphs(
      in: Self.mlp.replacing("rms_norm(y)", with: "z = rms_norm(y)"))[0]
    for rows in [0, 1, 7] {
      let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 3)
      for target in Self.native {
        let kernel = try Compiler(target: target).compile(graph)
        try expectExact(kernel(inputs), of: graph, rows: rows, inputs, "\(target)")
        try expectExact(
          kernel(inputs, threads: 3), of: graph, rows: rows, inputs, "\(target), parts")
      }
    }
    // The row is normed, then quantized, once for both products.
    let program = try Compiler(target: .avx2).lower(graph).program
    #expect(program.products.count == 2)
    #expect(Set(program.products.map(\.x)).count == 1)
    #expect(program.steps.count == 4)
  }

  /// Rows that are seen in several ways, with and without products: the exact interpreter's bits.
  static let views = """
    kernel beside(x: f32[rows, 192]) {
      a = exp(x)
      y = rms_norm(a) + reshape(rms_norm(reshape(a, [rows, 6, 32])), [rows, 192])
      t = sum_rows(a)
    } -> y, rms_norm(reshape(a, [rows, 2, 96])), t
    kernel behind(x: f32[rows, 256], w: q4_0[33, 256]) {
      n = reshape(rms_norm(reshape(x, [rows, 4, 64])), [rows, 256])
      q = quantize_rows(n, group: 32)
      z = matmul(q, w, layout: out_in, accumulate: int8, scale: quantize_rows_scale(n, group: 32))
    } -> layer_norm(n), z
    kernel fixed_steps(x: f32[rows, 256], s: f32[rows, 8], w: q4_0[7, 256], v: q6_K[7, 256]) {
      q = i8(x * 8.0)
      a = matmul(q, w, layout: out_in, accumulate: int8, scale: s)
      b = matmul(q, v, layout: out_in, accumulate: int8, scale: s)
    } -> a, b

    """

  @Test func rowsAreSeenInSeveralWays() throws {
    let text = Self.views.replacing("-> y, rms_norm(", with: "-> y, z: f32 = rms_norm(")
      .replacing("-> layer_norm(n)", with: "-> y: f32 = layer_norm(n)")
    for graph in try GraphParser.graphs(in: text) {
      for rows in [0, 1, 7] {
        let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 8)
        for target in Self.native {
          let kernel = try Compiler(target: target).compile(graph)
          try expectExact(kernel(inputs), of: graph, rows: rows, inputs, "\(target)")
          try expectExact(
            kernel(inputs, threads: 3), of: graph, rows: rows, inputs, "\(target), parts")
        }
      }
    }
  }

  // MARK: llama.cpp

  private func vector(_ name: String, _ storage: DType) throws -> HostTensor {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    return try NpyFile("\(folder)/LlamaVectors/\(name).npy").load(as: storage)
  }

  /// The bits that llama.cpp's repacked kernels of q4_0 compute on x86; see `LlamaVectors/record.py`.
  @Test func repackedQ4HasTheBitsOfLlamaCpp() throws {
    let x = Tensor.input("x", [.rows, 256], .f32)
    let w = Tensor.input("w", [24, 256], .q4_0)
    let rows = x.quantizedRows(scaling: .factor, group: 32)
    let graph = try Kernel(
      "llama",
      outputs: [
        .init("q", rows.values), .init("d", rows.scale, as: .f16),
        .init("y", rows.matmul(w, scaleType: .f16)),
      ]
    ).graph()
    let inputs = ["x": try vector("x", .f32), "w": try vector("w", .u8)]
    for target in Self.native {
      let found = try Compiler(target: target).compile(graph)(inputs)
      for (name, storage) in [("q", DType.i8), ("d", .f16), ("y", .f32)] {
        let difference = try #require(found[name]).firstDifference(from: vector(name, storage))
        #expect(difference == nil, "\(target), \(name)")
      }
    }
  }

  /// Other rules of quantizers have other bits on the vectors.
  @Test(arguments: [RowQuantization.Scaling.division, .reciprocal])
  func otherRulesHaveOtherBits(scaling: RowQuantization.Scaling) throws {
    let x = Tensor.input("x", [.rows, 256], .f32)
    let rows = x.quantizedRows(scaling: scaling, group: 32)
    let found = try Compiler(target: .portable).compile(
      Kernel("llama", outputs: [.init("q", rows.values)]))(["x": vector("x", .f32)])
    #expect(try #require(found["q"]).firstDifference(from: vector("q", .i8)) != nil)
  }

  // MARK: Mistakes

  /// An edit of the C of a product.
  struct Edit: Sendable, CustomTestStringConvertible {
    let name: String
    let format: BlockFormat
    let pattern: String
    let replacement: String
    var judge: MutantCatches.Judge = .bound

    var testDescription: String { name }
  }

  private static let groups = BlockFormat.grouped(bits: 4, group: 32, hasZeroPoints: true)

  static let edits: [Edit] = [
    Edit(
      name: "order of nibbles", format: .q4_0, pattern: "bits_of_bytes(words[v], 4 * t, 4)",
      replacement: "bits_of_bytes(words[v], 4 * (1 - t), 4)"),
    Edit(
      name: "zero point off by one", format: .q4_0, pattern: "broadcast(8.0f)",
      replacement: "broadcast(7.0f)"),
    Edit(
      name: "correction dropped", format: .q6_K, pattern: " - excess", replacement: ""),
    Edit(
      name: "zero point of the neighbouring column", format: groups,
      pattern: "c + 32] = c < count",
      replacement: "(c ^ 1) + 32] = c < count"),
    Edit(
      name: "correction by zero points dropped", format: groups,
      pattern: "minus_x_sum, zero_points[v],", replacement: "0 * minus_x_sum, zero_points[v],"),
    Edit(
      name: "group off by one", format: .q4_0, pattern: "packed + 288 * (k / 32)",
      replacement: "packed + 288 * ((k + 32) % 544 / 32)"),
    Edit(
      name: "scale of the neighbouring column", format: .q4_0, pattern: "2 * c + i] = c < count",
      replacement: "2 * (c ^ 1) + i] = c < count"),
    Edit(
      name: "scale of the neighbouring group", format: .q8_0,
      pattern: "const vec x_scale = broadcast(x_scales[48 * r + k / 32])",
      replacement: "const vec x_scale = broadcast(x_scales[48 * r + (k + 32) % 544 / 32])"),
    Edit(
      name: "minimum added", format: .q4_K, pattern: "offsets[v] = -(",
      replacement: "offsets[v] = ("),
    Edit(
      name: "high bit missing", format: .q5_0,
      pattern:
        " | placed_bits_of_bytes(words_2[v],\n                (16 * f + 8 * u + 4 * t) % 32 / 4, 1, 4)",
      replacement: ""),
    Edit(
      name: "saturating instruction", format: .q8_0,
      pattern: "  shorts even = (shorts)(words & 0xff00ffu);",
      replacement: """
          typedef char bytes __attribute__((vector_size(32)));
          return sums + (ivec)__builtin_ia32_pmaddwd256(
              (shorts)__builtin_ia32_pmaddubsw256((bytes)words, (bytes)quad), (shorts)(uvec){0} + 1);
          shorts even = (shorts)(words & 0xff00ffu);
        """),
    Edit(
      name: "sums of integers rounded before the scale", format: .q4_0,
      pattern:
        "multiply_add(float_from_pair_sums(dots[r][v]) - excess, x_scale * scales[v],\n            chain[r][v])",
      replacement:
        "((float_from_pair_sums(dots[r][v]) - excess) * (x_scale * scales[v]) + chain[r][v])",
      judge: .bits),
  ]

  @Test(arguments: edits)
  func wrongCIsCaught(edit: Edit) throws {
    var catches = MutantCatches(edit.name, by: edit.judge)
    for columns in [33, 48] {
      let blocks = edit.format.elementCount == 32 ? 17 : 3
      let right = try Compiler(target: .avx2).lower(
        graph(edit.format, blocks: blocks, columns: columns))
      try catches.add(
        kernel: "\(columns) columns", editOf: right, rows: 15, edit.pattern,
        with: edit.replacement)
    }
    if Self.native.contains(.avx2) { catches.require() }
  }

  // MARK: What is refused

  @Test func whatDoesNotFitIsNamed() throws {
    let cases = [
      (
        "x: f32[rows, 64], w: q4_0[5, 64], s: f32[rows, 2]",
        "matmul(x, w, layout: out_in, accumulate: int8, scale: s)",
        "the value of an int8 product must hold i8 integers, such as quantize_rows(x, group: 32), or i8(x) "
          + "of what else holds them; found the input 'x' stored as f32"
      ),
      (
        "x: i8[rows, 64], w: i8[5, 64], s: f32[rows, 2]",
        "matmul(x, w, layout: out_in, accumulate: int8, scale: s)",
        "an int8 product of the i8 input 'w' takes no scale: its elements are the exact sums, which scales of "
          + "rows and columns multiply afterwards"
      ),
      (
        "x: i8[rows, 64], w: q4_0[5, 64]", "matmul(x, w, layout: out_in, accumulate: int8)",
        "an int8 product needs the scales of its value, such as scale: quantize_rows_scale(x, group: 32)"
      ),
      (
        "x: f32[rows, 64], w: q4_0[5, 64], s: f32[rows, 2]",
        "matmul(x, w, layout: out_in, scale: s)",
        "only an int8 product takes scales of its value; found one that is accumulated as fused"
      ),
      (
        "x: i8[rows, 64], w: q4_0[5, 64], s: f32[rows, 4]",
        "matmul(x, w, layout: out_in, accumulate: int8, scale: s)",
        "a scale of the value must span whole groups of the weights' 32 elements, which share a scale in "
          + "q4_0; found one for every 16"
      ),
      (
        "x: i8[rows, 64], w: q4_0[5, 64], s: f32[rows, 3]",
        "matmul(x, w, layout: out_in, accumulate: int8, scale: s)",
        "the scales of a product's value must be as many for a row as divide its 64 elements, found shape "
          + "[rows, 3]"
      ),
      (
        "x: i8[rows, 64], w: q4_0[5, 64], s: f32[2]",
        "matmul(x, w, layout: out_in, accumulate: int8, scale: s)",
        "the scales of a product's value must have its rows, found shape [2]"
      ),
      (
        "x: i8[rows, 2, 64], w: q4_0[5, 64], s: f32[rows, 2]",
        "matmul(x, w, layout: out_in, accumulate: int8, scale: s)",
        "a value with scales must have rows of one axis to be multiplied, found shape [rows, 2, 64]"
      ),
      (
        "x: i8[rows, 32], w: q4_0[5, 64], s: f32[rows, 1]",
        "matmul(x, columns(w, from: 32, count: 32), layout: out_in, accumulate: int8, scale: s)",
        "the weights of an int8 product must be an i8 input or lie in quantized blocks, such as an input "
          + "w: q4_0[64, 32]; found columns of a value"
      ),
      (
        "x: f32[rows, 64], w: q4_0[5, 64]",
        "matmul(quantize_rows(x, group: 0), w, layout: out_in, accumulate: int8, scale: x)",
        "a scale is shared by at least 1 element, found a group of 0"
      ),
      (
        "x: f32[rows, 64], w: q4_0[5, 64]",
        "matmul(quantize_rows(x, group: 24), w, layout: out_in, accumulate: int8, scale: x)",
        "a scale for every 24 elements needs rows of one axis, of whose elements 24 is a divisor; found "
          + "shape [rows, 64]"
      ),
    ]
    for (inputs, product, message) in cases {
      var found = ""
      let text = "kernel k(\(inputs)) {\n  y = \(product)\n} -> y\n"
      do { _ = try GraphParser.graphs(in: text) } catch { found = "\(error)" }
      #expect(found.contains(message), "\(found)")
    }
  }

  @Test func oneInputIsPackedInOneWay() throws {
    let graph = try GraphParser.graphs(
      in: """
        kernel k(x: f32[rows, 64], w: q4_0[5, 64]) {
          q = quantize_rows(x, group: 32)
          y = matmul(q, w, layout: out_in, accumulate: int8, scale: quantize_rows_scale(x, group: 32))
          z = matmul(x, w, layout: out_in)
        } -> y, z
        """)[0]
    var found = ""
    do { _ = try Compiler(target: .portable).lower(graph) } catch { found = "\(error)" }
    #expect(found.contains("'w' are read by products of their values and of integers"), "\(found)")
  }

  @Test func thereIsNoGradientOfRoundedIntegers() throws {
    let graph = try GraphParser.graphs(
      in: Self.mlp.replacing("rms_norm(y)", with: "z = rms_norm(y)"))[0]
    var found = ""
    do { _ = try graph.gradient(withRespectTo: ["x"]) } catch { found = "\(error)" }
    #expect(
      found.contains("is a product of integers, whose rounding has no derivative"), "\(found)")
  }

  @Test func theTextFormSaysTheScale() throws {
    let text = """
      kernel k(x: i8[rows, 512], s: f32[rows, 2], w: q4_K[7, 512]) {
        y = matmul(x, w, layout: out_in, accumulate: int8, scale: s)
      } -> y: f32

      """
    let graph = try GraphParser.graphs(in: text)[0]
    #expect("\(graph)" == text)
  }
}
