import NormGen
import NormGenCheck
import NormGenLoopInterpreter
import Testing

/// A mistake in what products, packing and the driver are lowered to is seen without a compiler: a
/// fault of the functions, or other bits than the exact ones.
@Suite struct WrongFunctionTests {
  /// A change of some statements of some functions.
  struct Mistake: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What the functions' names begin or end with.
    let function: String
    let change: @Sendable (Stmt) -> Stmt?

    func applied(to module: LoopModule) -> LoopModule {
      LoopModule(
        interface: module.interface, lanes: module.lanes,
        functions: module.functions.map { function in
          guard function.name.hasPrefix(self.function) || function.name.hasSuffix(self.function)
          else { return function }
          return LoopFunction(
            function.name, comment: function.comment, linkage: function.linkage,
            parameters: function.parameters, returnsIndex: function.returnsIndex,
            hasDistinctTensors: function.hasDistinctTensors, streamed: function.streamed,
            body: changed(function.body))
        })
    }

    private func changed(_ statements: [Stmt]) -> [Stmt] {
      statements.compactMap { statement -> Stmt? in
        guard let new = change(statement) else { return nil }
        if case .loop(let index, let from, let to, let step, let body) = new {
          return .loop(index: index, from: from, to: to, step: step, body: changed(body))
        }
        if case .when(let condition, let yes, let no) = new {
          return .when(condition, changed(yes), otherwise: changed(no))
        }
        if case .strips(let index, let to, let strips) = new {
          return .strips(
            index: index, to: to,
            strips.map { LoopStrip(count: $0.count, body: changed($0.body)) })
        }
        if case .step(let index, let steps) = new { return .step(index, steps.map(changed)) }
        return new
      }
    }
  }

  static let mistakes: [Mistake] = [
    Mistake(testDescription: "weights are packed one column late", function: "gather_") {
      guard case .pointer(let row, "weights", let offset) = $0 else { return $0 }
      return .pointer(row, buffer: "weights", offset: offset + 1)
    },
    Mistake(testDescription: "zeros behind the last column are missing", function: "gather_") {
      guard case .when(_, let yes, let no) = $0, !no.isEmpty else { return $0 }
      return .when(.always, yes, otherwise: no)
    },
    Mistake(testDescription: "a tile forgets the blocks before", function: "tile_") {
      guard case .store(let pointer, let index, .choose(_, let chain, _), let lanes) = $0 else {
        return $0
      }
      return .store(pointer, at: index, chain, lanes)
    },
    Mistake(testDescription: "the chains begin at 1", function: "tile_") {
      guard case .setEntry("chain", let indices, .broadcast) = $0 else { return $0 }
      return .setEntry("chain", indices, .broadcast(.constant(1)))
    },
    Mistake(testDescription: "the last step of a tile is missing", function: "tile_") {
      guard case .loop("k", let from, let to, let step, let body) = $0 else { return $0 }
      return .loop(index: "k", from: from, to: to - 1, step: step, body: body)
    },
    Mistake(testDescription: "rows that no tile of two takes are missing", function: "multiply_") {
      guard case .strips(let index, let to, let strips) = $0 else { return $0 }
      return .strips(index: index, to: to, strips.filter { $0.count > 1 })
    },
    Mistake(testDescription: "the panels overlap", function: "run_steps") {
      guard case .carve(let pointer, let memory, _, let count, let columns, let stride) = $0 else {
        return $0
      }
      return .carve(
        pointer, from: memory, byte: 0, count: count, columns: columns, stride: stride)
    },
    Mistake(testDescription: "every part does what the first does", function: "run_steps") {
      guard case .call(let name, let arguments) = $0 else { return $0 }
      return .call(
        name,
        arguments.map {
          guard case .index(.share(let count, _, let parts)) = $0 else { return $0 }
          return .index(.share(of: count, part: 0, parts: parts))
        })
    },
    Mistake(testDescription: "the scratch memory is a row short", function: "_scratch_bytes") {
      guard case .leave(let bytes?) = $0 else { return $0 }
      return .leave(bytes - 512)
    },
    Mistake(testDescription: "the kernel does one part of two", function: "") {
      guard case .call(let name, let arguments) = $0, name.hasSuffix("_part") else { return $0 }
      return .call(name, arguments.dropLast() + [.index(2)])
    },
    Mistake(testDescription: "weights are written", function: "gather_") {
      guard case .storeStored(_, let place, let value) = $0 else { return $0 }
      return .storeStored(Pointer(name: "weights", storage: .f32), at: place, value)
    },
    Mistake(testDescription: "the last phase is missing", function: "_phases") {
      guard case .leave(let phases?) = $0 else { return $0 }
      return .leave(phases - 1)
    },
  ]

  @Test(arguments: mistakes, [Target.portable, .avx512])
  func wrongFunctionsAreSeen(mistake: Mistake, target: Target) throws {
    // More steps than a block of the order, columns that no sliver ends with, rows beside the tiles.
    let specimen = try #require(MatmulSpecimen.named("product"))
    let graph = try specimen.graph(MatmulSpecimen.Shape(terms: 515, columns: 37))
    let rows = 5
    let inputs = try RandomInputs.tensors(for: graph, rows: rows, seed: 9)
    let reference = try ReferenceOutputs(
      of: graph, rows: rows, inputs: inputs, columns: .all(of: graph))
    func isRight(_ module: LoopModule) throws -> Bool {
      do {
        return try [1, 2].allSatisfy { parts in
          let outputs = try LoopInterpreter.outputs(
            of: module, rows: rows, inputs: inputs, parts: parts)
          return graph.outputs.indices.allSatisfy { index in
            outputs[graph.outputs[index].name].map {
              reference.judgement(of: $0, output: index).exact.passes
            } == true
          }
        }
      } catch is LoopInterpreter.Fault { return false }
    }
    let module = try Compiler(target: target).lower(graph).module
    let wrong = mistake.applied(to: module)
    try #require(wrong != module)
    #expect(try isRight(module))
    #expect(try !isRight(wrong))
  }
}
