import Foundation
import NormGen
import NormGenTestSupport
import Testing

@testable import NormGenC

/// Names that mean something in C, in its headers or in the emitted file: all compile, none
/// changes a result.
@Suite struct NameTests {
  static let names = [
    // Functions and types of the support library.
    "vec", "ivec", "load_f32", "store_f32", "vec_select", "broadcast", "multiply_add", "maximum",
    "sum_partials", "vec_exp", "hvec", "keep_first", "put_f32", "stream_end", "round_bf16",
    // Names of the emitted functions' own.
    "row", "rows", "i", "p", "block", "stream", "buffers", "strides", "outer0", "outer1", "y",
    "y_stride", "x", "x_stride", "x_row", "y_row", "mean_square", "mean_square_partials",
    "inv_rms", "inv_rms_i", "row_stride", "rows_stride",
    // Types, macros and functions of headers and compilers.
    "int64_t", "uint16_t", "uint8_t", "int8_t", "uintptr_t", "intmax_t", "size_t", "ptrdiff_t",
    "max_align_t", "NULL", "offsetof", "INT64_MAX", "INT64_MIN", "INT8_MAX", "UINT32_MAX",
    "UINT64_MAX", "SIZE_MAX", "PTRDIFF_MAX", "INTPTR_MIN", "WCHAR_MAX", "WINT_MIN",
    "SIG_ATOMIC_MAX", "INT64_C", "UINT8_C", "UINTMAX_C", "INT_LEAST8_MAX", "INT_FAST16_MIN",
    "linux", "unix", "i386", "main", "errno", "memcpy", "sqrtf", "exp", "printf", "abs",
    // Near keywords.
    "Int", "floats", "restrict_", "_x", "x_", "x__", "l", "O0",
  ]

  /// A kernel whose parameters and values have six of the names, beginning at a position.
  private func kernel(_ position: Int) -> (kernel: Kernel, names: [String]) {
    let names = (0..<6).map { Self.names[(position + $0) % Self.names.count] }
    let x = Tensor.input(names[0], [.rows, 21], .f32)
    let gain = Tensor.input(names[1], [21], .bf16)
    let scale = Tensor.input(names[2], [.rows, 1], .f32)
    let value = (x * scale).named(names[3])
    let norm = Tensor.composed(names[3]) { value.rmsNorm(gain: gain) * value }
    return (
      Kernel(
        "names_\(position)",
        outputs: [
          Kernel.Output(names[4], norm), Kernel.Output(names[5], value.mean()),
        ]), names
    )
  }

  static let positions = Array(stride(from: 0, to: names.count, by: 3))

  @Test(arguments: positions)
  func anyNameGivesTheRightResult(position: Int) throws {
    let (kernel, names) = kernel(position)
    let graph = try kernel.graph()
    #expect(graph.inputs.map { graph[$0].inputName } == Array(names[0..<3]))
    let inputs = try RandomInputs.tensors(for: graph, rows: 3, seed: 1)
    let oracle = try GraphInterpreter.outputs(of: graph, rows: 3, inputs: inputs)
    for target in Target.general where HostCPU.current.supports(target) {
      let outputs = try Compiler(target: target).compile(graph)(inputs)
      for (name, expected) in zip(names[4...], oracle) {
        let tensor = try #require(outputs[name])
        #expect(Agreement(kernel: tensor, oracle: expected).passes, "\(name) on \(target)")
      }
    }
  }

  @Test(arguments: CCompiler.all, Target.general)
  func anyNameCompiles(compiler: CCompiler, target: Target) throws {
    guard compiler.compiles(target) else { return }
    let sources = try Self.positions.map {
      try Compiler(target: target).lower(kernel($0).kernel).source
    }
    // GNU's C defines a few macros without underscores.
    for standard in ["-std=c11", "-std=gnu17"] {
      try withTemporaryDirectory { directory in
        for source in sources {
          try Data(source.source.utf8).write(
            to: directory.appendingPathComponent("\(source.name).c"))
          try Data(source.header.utf8).write(
            to: directory.appendingPathComponent("\(source.name).h"))
        }
        let user = sources.map { "#include \"\($0.name).h\"\n" }.joined()
        try Data(user.utf8).write(to: directory.appendingPathComponent("user.c"))
        try compiler.run(
          [standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "user.c"]
            + sources.map { "\($0.name).c" }, in: directory)
      }
    }
  }

  @Test func kernelsMayHaveSuchNames() throws {
    let x = Tensor.input("x", [.rows, 9], .f32)
    for name in ["main", "memcpy", "vec", "sum_partials", "INT64_MAX", "linux", "row", "x"] {
      let compiled = try Compiler(target: .portable).compile(Kernel(name, x.relu()))
      let inputs = ["x": try HostTensor([Float](repeating: -1, count: 9), shape: [1, 9])]
      #expect(try compiled(inputs)["y"]?.doubles == [Double](repeating: 0, count: 9))
    }
  }

  @Test func keywordsAreRefusedEverywhere() {
    for name in Identifier.keywords.sorted() {
      #expect(throws: GraphError.self) {
        try Kernel("k", Tensor.input(name, [.rows, 4], .f32)).graph()
      }
    }
  }

  // MARK: Every name of ours

  /// Every identifier of emitted files, and what our suffixes make of a few names.
  private func ourNames() throws -> [String] {
    var sources: [CSource] = []
    for target in Target.general {
      let compiler = Compiler(target: target)
      let names = ["rms_norm_i8_128_bf16", "qk_norm_32x128_bf16", "linear_gelu_384_1536_f32"]
      sources += try names.compactMap { Catalog.standard[$0] }.map {
        try compiler.lower($0.kernel).source
      }
      for form in Form.allCases {
        sources.append(try compiler.lower(form.kernel("ours", Self.plain)).source)
      }
    }
    var names = Set(sources.flatMap { CText.identifiers(in: $0.source + $0.header) })
    for base in ["in1", "out1", "value1", "value2", "ours_avx2", "ours_portable"] {
      for end in [
        "_stride", "_row", "_rows", "_group", "_partials", "_total", "_tile", "_sums", "_kept",
        "_i",
        "_part", "_entry", "_phases", "_scratch_bytes", "_pack_in2", "_h", "2", "_i2", "_",
      ] {
        names.insert(base + end)
      }
    }
    names.formUnion(Self.names)
    names.formUnion((0..<12).map { "outer\($0)" })
    names.formUnion([
      "step", "step1", "step2", "step3_1", "_", "_stride", "_row", "final", "import",
    ])
    return names.filter { Identifier.isValid($0) }.sorted()
  }

  static let plain = ["in1", "in2", "in3", "value1", "value2", "out1", "out2", "scope1"]

  /// Kernels of every kind of emitted function, with eight names.
  enum Form: String, CaseIterable {
    /// Passes over bf16 rows, in tiles and groups.
    case passes
    /// Many axes before the row.
    case axes
    /// Products between row programs.
    case products
    /// Sums over rows beside passes.
    case totals
    /// Sums over rows beside products.
    case gradient

    func kernel(_ kernelName: String, _ names: [String]) -> Kernel {
      func composed(_ body: () -> Tensor) -> Tensor { Tensor.composed(names[7], body) }
      switch self {
      case .passes:
        let x = Tensor.input(names[0], [.rows, 150], .bf16)
        let gain = Tensor.input(names[1], [150], .bf16)
        let scale = Tensor.input(names[2], [.rows, 1], .f32)
        let value = (x * scale).named(names[3])
        let mean = (value * x).mean().named(names[4])
        return Kernel(
          kernelName,
          outputs: [
            Kernel.Output(names[5], composed { value.rmsNorm(gain: gain) * mean }, as: .bf16),
            Kernel.Output(names[6], mean + 1, as: .f32),
          ])
      case .axes:
        let axes: [Extent] = [.rows] + [Extent](repeating: 1, count: 9) + [2, 5]
        let x = Tensor.input(names[0], axes, .f32)
        let gain = Tensor.input(names[1], [5], .f32)
        let scale = Tensor.input(names[2], axes.dropLast() + [1], .f32)
        let value = (x * scale).named(names[3])
        let mean = value.mean().named(names[4])
        return Kernel(
          kernelName,
          outputs: [
            Kernel.Output(names[5], composed { value * mean * gain }, as: .f32),
            Kernel.Output(names[6], mean * 2, as: .f32),
          ])
      case .products:
        let x = Tensor.input(names[0], [.rows, 24], .f32)
        let w = Tensor.input(names[1], [24, 24], .bf16)
        let bias = Tensor.input(names[2], [24], .f32)
        let value = x.rmsNorm().named(names[3])
        let product = (value.matmul(w) + bias).named(names[4])
        return Kernel(
          kernelName,
          outputs: [
            Kernel.Output(names[5], composed { product.gelu() + value }, as: .bf16),
            Kernel.Output(names[6], product.rowMaximum(), as: .f32),
          ])
      case .totals:
        let x = Tensor.input(names[0], [.rows, 150], .f32)
        let d = Tensor.input(names[1], [.rows, 150], .bf16)
        let scale = Tensor.input(names[2], [.rows, 1], .f32)
        let value = (x * scale).named(names[3])
        let mean = value.mean().named(names[4])
        return Kernel(
          kernelName,
          outputs: [
            Kernel.Output(names[5], composed { (value * d).sumOverRows() }, as: .f32),
            Kernel.Output(names[6], value * mean + d, as: .f32),
          ])
      case .gradient:
        let x = Tensor.input(names[0], [.rows, 24], .f32)
        let w = Tensor.input(names[1], [24, 24], .f32)
        let bias = Tensor.input(names[2], [24], .f32)
        let value = x.rmsNorm().named(names[3])
        let product = (value.matmul(w) + bias).named(names[4])
        let sum = composed { (product * value).sumOverRows() }
        return Kernel(
          kernelName,
          outputs: [
            Kernel.Output(names[5], sum, as: .f32), Kernel.Output(names[6], product * 2, as: .f32),
          ])
      }
    }
  }

  /// Kernels that use each of our names once as a kernel's, and in other roles; no two names of a
  /// kernel are the same.
  private func kernelsOfOurNames() throws -> [(form: Form, kernel: Kernel)] {
    let names = try ourNames()
    let steps = [0, 37, 101, 211, 307, 401, 503, 601]
    return stride(from: 0, to: names.count, by: 5).compactMap { position in
      let chosen = steps.map { names[(position + $0) % names.count] }
      guard Set(chosen).count == chosen.count else { return nil }
      let form = Form.allCases[position / 5 % Form.allCases.count]
      return (form, form.kernel(names[position], chosen))
    }
  }

  /// GNU's C defines macros that C11 does not; headers are read by C++, too.
  @Test(arguments: Target.general)
  func namesOfOurOwnCompile(target: Target) throws {
    let kernels = try kernelsOfOurNames()
    #expect(kernels.count > 100)
    let sources = try kernels.map { try Compiler(target: target).lower($0.kernel).source }
    try withTemporaryDirectory { directory in
      for (number, source) in sources.enumerated() {
        try Data(source.source.utf8).write(to: directory.appendingPathComponent("k\(number).c"))
        try Data(source.header.utf8).write(to: directory.appendingPathComponent("k\(number).h"))
      }
      let user = sources.indices.map { "#include \"k\($0).h\"\n" }.joined()
      try Data(user.utf8).write(to: directory.appendingPathComponent("user.cpp"))
      try Data(user.utf8).write(to: directory.appendingPathComponent("user.c"))
      let warnings = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
      for (number, compiler) in CCompiler.all.filter({ $0.compiles(target) }).enumerated() {
        for (place, standard) in ["-std=c11", "-std=gnu17"].enumerated() {
          let files = sources.indices.filter { ($0 + place + number) % 2 == 0 }.map { "k\($0).c" }
          try compiler.run([standard] + warnings + ["user.c"] + files, in: directory)
        }
        guard compiler.hasCXX else { continue }
        try compiler.run(["-std=c++20"] + warnings + ["user.cpp"], in: directory)
      }
    }
  }

  /// A name of one of our own kinds changes no bit.
  @Test func namesOfOurOwnGiveTheSameBits() throws {
    let target = HostCPU.current.bestTarget
    let kernels = try kernelsOfOurNames()
    for (form, kernel) in kernels.indices.filter({ $0 % 16 < 2 }).map({ kernels[$0] }) {
      let graph = try kernel.graph()
      let plain = try form.kernel("plain", Self.plain).graph()
      let inputs = try RandomInputs.tensors(for: plain, rows: 3, seed: 1)
      let expected = try Compiler(target: target).compile(plain)(inputs)
      var renamed: [String: HostTensor] = [:]
      for (old, new) in zip(plain.inputs, graph.inputs) {
        renamed[graph[new].inputName ?? ""] = inputs[plain[old].inputName ?? ""]
      }
      let outputs = try Compiler(target: target).compile(graph)(renamed)
      for (old, new) in zip(plain.outputs, graph.outputs) {
        let left = try #require(expected[old.name])
        #expect(outputs[new.name]?.firstDifference(from: left) == nil, "\(graph)")
      }
    }
  }

  /// The generated name of a group of stores is not the user's.
  @Test(arguments: Target.general)
  func groupsHaveNamesOfTheirOwn(target: Target) throws {
    let graphs = try GraphParser.graphs(
      in: """
        kernel groups(q: bf16[rows, 200]) {
          x = q * 2.0
          x_group = mean(x * q)
          y = x * x_group
        } -> x, y
        """)
    let compiler = Compiler(target: target)
    _ = try compiler.object(of: compiler.lower(try #require(graphs.first)))
  }

  /// Names of any length and kind are given out at once.
  @Test(.timeLimit(.minutes(5)), arguments: [1, 193, 197, 200])
  func longestNamesEnd(length: Int) throws {
    for first in ["_", "n"] {
      let body = first + String(repeating: "m", count: length - 1)
      let names = [body] + "abcdefg".map { String(body.dropLast()) + String($0) }
      for form in Form.allCases {
        let kernel = form.kernel(names[0], names)
        for target in Target.general { _ = try Compiler(target: target).lower(kernel) }
        let compiler = Compiler(target: .portable)
        _ = try compiler.object(of: compiler.lower(kernel))
      }
    }
  }

  @Test func keywordsOfCXX20AreRefused() {
    for name in ["char8_t", "char16_t", "char32_t", "co_await", "requires", "contract_assert"] {
      #expect(!Identifier.isValid(name))
    }
  }

  /// Nothing of a name reaches the C but letters, digits and underscores.
  @Test func identifiersAreLettersDigitsAndUnderscores() {
    for name in ["a", "_a", "a1", "A_b_9", String(repeating: "n", count: 200)] {
      #expect(Identifier.isValid(name))
    }
    for name in [
      "", "1a", "a b", "a-b", "a.b", "ä", "a\u{301}", "a\n", "a;", "*/", "a\\", "\"", "_A", "__a",
      String(repeating: "n", count: 201), "𝒙", "ａ",
    ] {
      #expect(!Identifier.isValid(name), "\(name)")
    }
  }
}
