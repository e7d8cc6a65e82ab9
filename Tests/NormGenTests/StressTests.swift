import Dispatch
import Foundation
import NormGenTestSupport
import Synchronization
import Testing

@testable import NormGen

/// Compilations, cache fills, calls and unloadings from many threads at once.
///
/// `Tests/ThreadSanitizer/run.sh` runs it, and the suites of threads, with races reported.
@Suite struct StressTests {
  private static let threads = 8
  private static let rounds = 12

  /// Small kernels, of rows, with a product and with sums over rows.
  private static let text = """
    kernel stress_rows(x: f32[rows, 65], gain: f32[65]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-6)
    } -> y
    kernel stress_halves(x: bf16[rows, 33]) {
      y = layer_norm(x, epsilon: 1e-5)
    } -> y
    kernel stress_product(x: f32[rows, 48], up: f32[48, 70], down: f32[70, 48]) {
      h = relu(matmul(x, up))
      y = rms_norm(matmul(h, down), epsilon: 1e-6)
    } -> y
    kernel stress_sums(x: f32[rows, 40], upstream: f32[rows, 40]) {
      total = sum_rows(x * upstream)
    } -> total
    """

  /// A kernel with what it must compute.
  private struct Subject {
    let graph: Graph
    let inputs: [String: HostTensor]
    let expected: [String: HostTensor]

    /// Calls a kernel of the graph, bound once and then as a whole, and compares.
    func difference(_ kernel: CompiledKernel, threads: Int) throws -> String? {
      let outputs = try kernel(inputs, threads: threads)
      if let difference = firstDifference(expected, outputs) { return difference }
      return try boundDifference(kernel, threads: threads)
    }

    private func boundDifference(_ kernel: CompiledKernel, threads: Int) throws -> String? {
      let rows = 300
      let blocks = try kernel.parameters.map { parameter in
        let content =
          try inputs[parameter.name]
          ?? HostTensor(zeros: parameter.shape.extents(rows: rows), parameter.storage)
        return try GuardedMemory(content.withUnsafeBytes { Array($0) }, at: .end)
      }
      let bound = try kernel.bound(
        rows: rows, blocks.map { KernelArgument($0.bytes) }, threads: threads)
      for _ in 0..<4 { bound() }
      for (parameter, block) in zip(kernel.parameters, blocks) where parameter.isOutput {
        let found = try HostTensor(
          bytes: UnsafeRawBufferPointer(block.bytes),
          shape: parameter.shape.extents(rows: rows), parameter.storage)
        if let difference = expected[parameter.name]?.firstDifference(from: found) {
          return "bound: \(difference)"
        }
      }
      return nil
    }
  }

  private static func subjects() throws -> [Subject] {
    try GraphParser.graphs(in: text, file: "stress.ng").map { graph in
      let inputs = try RandomInputs.tensors(for: graph, rows: 300, seed: 31)
      var compiler = Compiler(target: HostCPU.current.bestTarget)
      compiler.cache = .none
      return Subject(
        graph: graph, inputs: inputs, expected: try compiler.compile(graph)(inputs))
    }
  }

  /// Writes rubbish over an entry of the cache, or cuts it short, as a failing disk would.
  private static func damage(_ directory: URL, number: Int) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
    guard !names.isEmpty else { return }
    let path = directory.appendingPathComponent(names[number % names.count]).path
    guard let file = FileHandle(forUpdatingAtPath: path) else { return }
    defer { try? file.close() }
    if number % 2 == 0 {
      try? file.truncate(atOffset: 100)
    } else {
      try? file.seek(toOffset: 90)
      try? file.write(contentsOf: Data([0xde, 0xad, 0xbe, 0xef]))
    }
  }

  @Test func kernelsAreCompiledCachedCalledAndUnloadedAtOnce() throws {
    try withTemporaryDirectory { directory in
      let subjects = try Self.subjects()
      var compiler = Compiler(target: HostCPU.current.bestTarget)
      compiler.cache = .directory(directory.path)
      let common = try subjects.map { try compiler.compile($0.graph) }
      let problems = Mutex<[String]>([])
      DispatchQueue.concurrentPerform(iterations: Self.threads) { [compiler] thread in
        for round in 0..<Self.rounds {
          // Half of the threads want the same kernel, the others each another one.
          let number = (thread % 2 == 0 ? round : round + thread) % subjects.count
          let subject = subjects[number]
          // Two of these are new to the process, so that several threads ask first.
          var compiler = compiler
          compiler.optimization = Optimization.allCases[(thread + round) % 3]
          do {
            if thread == 0 { Self.damage(directory, number: round) }
            let own = try compiler.compile(subject.graph)
            for kernel in [own, common[number]] {
              if let difference = try subject.difference(kernel, threads: 1 + round % 3) {
                problems.withLock { $0.append("\(subject.graph.name): \(difference)") }
              }
            }
          } catch { problems.withLock { $0.append("\(subject.graph.name): \(error)") } }
        }
      }
      #expect(problems.withLock { $0 } == [])
    }
  }
}
