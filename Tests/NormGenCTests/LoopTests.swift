import NormGen
import NormGenTestSupport
import Testing

/// The verifier of loops refuses every broken rule, and the printer shows what is done.
@Suite struct LoopTests {
  private func loops(_ kernel: Kernel, _ target: Target = .avx2) throws -> RowProgram {
    try Compiler(target: target).lower(kernel).program.rowPrograms[0]
  }

  private let pointer = Pointer(name: "x", storage: .f32)
  private let output = Pointer(name: "y", storage: .f32)

  /// A kernel over rows of 8 elements with these statements.
  private func kernel(_ statements: [Stmt]) -> RowProgram {
    let shape = Shape(hasRows: true, extents: [8])
    return RowProgram(
      name: "k",
      buffers: [
        Buffer(name: "x", storage: .f32, shape: shape, isOutput: false),
        Buffer(name: "y", storage: .f32, shape: shape, isOutput: true),
      ], lanes: 8, row: statements, summary: [])
  }

  private var copy: Stmt { .store(output, at: .constant(0), load, .all) }
  private var load: LoopExpr { .load(pointer, at: .constant(0), .all) }

  @Test func rightLoopsAreAccepted() throws {
    try LoopVerifier.verify(kernel([copy]))
    try LoopVerifier.verify(
      kernel([
        .partials("p", .sum),
        .accumulate(partials: "p", slot: .constant(0), .sum, terms: [load], .all),
        .define("total", .combined(.sum, partials: "p")),
        .store(output, at: .constant(0), .apply(.multiply, [load, .scalar("total")]), .all),
      ]))
  }

  @Test func brokenRulesAreRefused() {
    let twoElements = LoopExpr.load(pointer, at: .constant(7), .first(2))
    let cases: [(String, [Stmt])] = [
      ("element 0 is written 0 times", []),
      ("element 0 is written 2 times", [copy, copy]),
      ("elements 1..<9 of 'y'", [.store(output, at: .constant(1), load, .all)]),
      ("elements 7..<9 of 'x'", [.define("v", twoElements), copy]),
      ("elements -1..<7 of 'x'", [.define("v", .load(pointer, at: .constant(-1), .all)), copy]),
      ("elements 8..<9 of 'x'", [.define("s", .loadScalar(pointer, at: .constant(8))), copy]),
      ("the input 'x' is written", [.store(pointer, at: .constant(0), load, .all)]),
      ("8 of 8 lanes", [.store(output, at: .constant(0), load, .first(8))]),
      ("0 of 8 lanes", [.store(output, at: .constant(0), load, .first(0))]),
      ("no vector is named 'v'", [.store(output, at: .constant(0), .vector("v"), .all)]),
      ("no scalar is named 's'", [.define("t", .scalar("s")), copy]),
      ("'v' is defined twice", [.define("v", load), .define("v", load), copy]),
      ("multiply has 1 operands", [.define("v", .apply(.multiply, [load])), copy]),
      ("no sum partials 'p'", [.define("s", .combined(.sum, partials: "p")), copy]),
      ("the partials 'p' are defined twice", [.partials("p", .sum), .partials("p", .sum), copy]),
      (
        "no max partials 'p'",
        [
          .partials("p", .sum),
          .accumulate(partials: "p", slot: .constant(0), .max, terms: [load], .all), copy,
        ]
      ),
      (
        "'p' has no slot 8",
        [
          .partials("p", .sum),
          .accumulate(partials: "p", slot: .constant(8), .sum, terms: [load], .all), copy,
        ]
      ),
      ("a vector is stored as one element", [.storeScalar(output, at: .constant(0), load)]),
      (
        "'v' is no scalar variable",
        [.variable("v", load), .assign("v", .constant(2)), copy]
      ),
      (
        "'s' is no vector variable", [.variable("s", .constant(1)), .assign("s", load), copy]
      ),
      (
        "'s' is no scalar variable", [.define("s", .constant(1)), .assign("s", .constant(2)), copy]
      ),
      ("no index is named 'i'", [.define("s", .loadScalar(pointer, at: .variable("i"))), copy]),
      (
        "no vector is named 'v'",
        [
          .section("inner", [.define("v", load)]),
          .store(output, at: .constant(0), .vector("v"), .all),
        ]
      ),
      (
        "has step 0",
        [.loop(index: "i", from: .constant(0), to: .constant(1), step: 0, body: []), copy]
      ),
      ("no buffer is named 'z'", [.pointer(pointer, buffer: "z", offset: .constant(0)), copy]),
      (
        "'x_row' is f16",
        [
          .pointer(Pointer(name: "x_row", storage: .f16), buffer: "x", offset: .constant(0)), copy,
        ]
      ),
      (
        "the pointer 'z' is used before",
        [.define("s", .loadScalar(Pointer(name: "z", storage: .f32), at: .constant(0))), copy]
      ),
    ]
    for (message, statements) in cases {
      let error = #expect(throws: LoopError.self, "\(message)") {
        try LoopVerifier.verify(kernel(statements))
      }
      #expect(error?.message.contains(message) == true, "\(error?.message ?? "") for \(message)")
    }
  }

  @Test func droppingAnyStoreOrAccumulationTailIsRefused() throws {
    let x = Tensor.input("x", [.rows, 300], .f32)
    let loops = try loops(Kernel("k", x.rmsNorm()))
    try LoopVerifier.verify(loops)
    for index in loops.row.indices {
      var row = loops.row
      guard case .loop = row.remove(at: index) else { continue }
      let cut = RowProgram(
        name: loops.name, buffers: loops.buffers, lanes: loops.lanes, row: row,
        summary: loops.summary)
      // Without a loop of the last pass elements are missing; a statistic's are not stores.
      if "\(loops.row[index])".contains("store") {
        #expect(throws: LoopError.self) { try LoopVerifier.verify(cut) }
      }
    }
  }
}
