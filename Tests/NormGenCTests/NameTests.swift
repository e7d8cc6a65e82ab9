import Foundation
import NormGen
import NormGenTestSupport
import Testing

/// Names that mean something in C, in its headers or in the emitted file: all compile, none
/// changes a result.
@Suite struct NameTests {
  static let names = [
    // Functions and types of the support library.
    "vec", "ivec", "load_f32", "store_f32", "select", "broadcast", "multiply_add", "maximum",
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
    for target in Target.all where HostCPU.current.supports(target) {
      let outputs = try Compiler(target: target).compile(graph)(inputs)
      for (name, expected) in zip(names[4...], oracle) {
        let tensor = try #require(outputs[name])
        #expect(Agreement(kernel: tensor, oracle: expected).passes, "\(name) on \(target)")
      }
    }
  }

  @Test(arguments: CCompiler.all, Target.all)
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
