import Foundation
import Synchronization
import Testing

@testable import NormGen
@testable import NormGenDSL

/// Chains of the greatest legal length need no deep stack in any stage of the compiler.
@Suite struct SmallStackTests {
  /// Chains by what stands between two of their values.
  enum Chain: String, CaseIterable {
    /// Values without names, written in place.
    case unnamed
    /// One number a row.
    case scalars
    /// A conversion at each step.
    case conversions
    /// The zeros behind a leading part, which are no vectors.
    case zeros
    /// A statistic at each step, and so a pass.
    case statistics
    /// A product with weights at each step.
    case products
    /// Compositions inside each other.
    case compositions
    /// Negations of negations, which the text form nests.
    case negations
    /// Reshapes to and fro.
    case reshapes

    /// A kernel with as many values one behind the other as there may be.
    func kernel() -> Kernel {
      let x = Tensor.input("x", [.rows, 16], .f32)
      let w = Tensor.input("w", [16, 16], .f32)
      var value = x
      switch self {
      case .unnamed, .conversions, .negations, .reshapes: break
      case .scalars: value = x.sum().named("s")
      case .zeros: value = x.leadingPart(3, of: 16)
      case .statistics, .products, .compositions: break
      }
      func step(_ value: Tensor, _ number: Int) -> Tensor {
        switch self {
        case .unnamed: number % 2 == 0 ? value * 0.5 : value + x
        case .scalars: number % 2 == 0 ? value * 0.5 : value + 1
        case .conversions: number % 2 == 0 ? value.rounded(to: .bf16) : value + 1
        case .zeros: value + value
        case .statistics: value * value.sum().named("s")
        case .products: value.matmul(w)
        case .compositions: Tensor.composed("part") { value + 1 }
        case .negations: -value
        case .reshapes:
          number % 2 == 0 ? value.reshaped([.rows, 4, 4]) * 0.5 : value.reshaped([.rows, 16])
        }
      }
      var number = 0
      while true {
        let next = step(value, number)
        guard next.node.error == nil else { break }
        value = next
        number += 1
      }
      if self == .scalars {
        return Kernel("chain_of_scalars", outputs: ["y": value, "z": x * 0.5])
      }
      return Kernel("chain_of_\(rawValue)", value)
    }
  }

  @Test(arguments: Chain.allCases)
  func chainsLowerPrintAndParse(_ chain: Chain) throws {
    try onSmallStack {
      let graph = try chain.kernel().graph()
      let parsed = try GraphParser.graphs(in: graph.description)
      #expect(parsed == [graph])
      for target in [Target.portable, .avx2] {
        let lowering = try Compiler(target: target).lower(graph)
        #expect(!PlanPrinter.text(of: lowering.plan).isEmpty)
        #expect(!LoopPrinter.text(of: lowering.program).isEmpty)
      }
    }
  }

  @Test(arguments: Chain.allCases)
  func chainsAreInterpretedTracedAndCompiled(_ chain: Chain) throws {
    try onSmallStack {
      let graph = try chain.kernel().graph()
      var inputs: [String: HostTensor] = [:]
      for id in graph.inputs {
        guard let name = graph[id].inputName else { continue }
        inputs[name] = try HostTensor(zeros: graph[id].shape.extents(rows: 1), .f32)
      }
      let outputs = try GraphInterpreter.outputs(of: graph, rows: 1, inputs: inputs)
      #expect(!outputs[0].isEmpty)
      let trace = try ElementTrace(
        of: graph.outputs[0], at: 0, in: graph, rows: 1, inputs: inputs)
      #expect(!trace.steps.isEmpty)
      _ = try Compiler().compile(graph)
    }
  }

  @Test func gradientsOfChainsAreDerived() throws {
    try onSmallStack {
      var value = Tensor.input("x", [.rows, 16], .f32)
      for _ in 0..<300 { value = (value * 0.5).tanh() }
      let gradient = try Kernel("chain", value).gradient().graph()
      _ = try Compiler(target: .portable).lower(gradient)
    }
  }

  @Test func theDeepestTextParses() throws {
    try onSmallStack {
      let deep = String(repeating: "(", count: 199) + "x" + String(repeating: ")", count: 199)
      let calls = String(repeating: "abs(", count: 199) + "x" + String(repeating: ")", count: 199)
      let signs = String(repeating: "-", count: 199) + "x"
      for expression in [deep, calls, signs] {
        let text = "kernel k(x: f32[rows, 4]) {\n  y = \(expression) + 1.0\n} -> y\n"
        _ = try GraphParser.graphs(in: text)
      }
      let blocks =
        String(repeating: "b {\n", count: 199) + "y = x + 1.0\n"
        + String(repeating: "}\n", count: 199)
      _ = try GraphParser.graphs(in: "kernel k(x: f32[rows, 4]) {\n\(blocks)} -> y\n")
    }
  }

  /// Doubling the zeros behind a leading part doubled what was written of them.
  @Test func zerosBehindALeadingPartAreWrittenOnce() throws {
    var value = Tensor.input("x", [.rows, 16], .f32).leadingPart(3, of: 16)
    for _ in 0..<100 { value = value + value }
    let lowering = try Compiler(target: .portable).lower(Kernel("zeros", value))
    #expect(lowering.source.source.utf8.count < 100_000)
  }

  /// Runs `body` on a thread with a stack of 256 KiB.
  private func onSmallStack(_ body: @escaping @Sendable () throws -> Void) throws {
    let result = Mutex<Result<Void, any Error>?>(nil)
    let done = DispatchSemaphore(value: 0)
    let thread = Thread {
      let outcome = Result { try body() }
      result.withLock { $0 = outcome }
      done.signal()
    }
    thread.stackSize = 256 << 10
    thread.start()
    done.wait()
    try result.withLock { try #require($0).get() }
  }
}
