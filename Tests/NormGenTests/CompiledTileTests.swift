import Foundation
import NormGen
import NormGenTestSupport
import Testing

/// What compilers make of a tile: its chains stay in registers only where the loops over them are unrolled.
@Suite struct CompiledTileTests {
  /// The multiply-adds of 512 bits in the code of a product, compiled as the documents say.
  private func multiplyAdds(_ compiler: CCompiler) throws -> Int {
    let graph = try GraphParser.graphs(
      in: """
        kernel product(x: f32[rows, 1024], w: f32[1024, 64]) {
          y = matmul(x, w)
        } -> y
        """)[0]
    let source = try Compiler(target: .avx512).lower(graph).source.source
    return try withTemporaryDirectory { directory in
      try Data(source.utf8).write(to: directory.appendingPathComponent("k.c"))
      try compiler.run(["-O2", "-S", "k.c", "-o", "k.s"], in: directory)
      let text = try String(
        contentsOf: directory.appendingPathComponent("k.s"), encoding: .utf8)
      return text.split(separator: "\n")
        .count { $0.contains("vfmadd") && $0.contains("zmm") }
    }
  }

  /// Two vectors for each row of the tiles of 14, 8, 4, 2 and 1.
  private static let expected = 2 * (14 + 8 + 4 + 2 + 1)

  @Test(arguments: CCompiler.all.filter { $0.architecture == "x86_64" })
  func everyRowOfATileHasItsOwnInstructions(compiler: CCompiler) throws {
    #expect(try multiplyAdds(compiler) >= Self.expected)
  }
}
