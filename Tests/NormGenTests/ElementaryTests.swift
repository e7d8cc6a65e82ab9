import Foundation
import NormGen
import NormGenCheck
import Testing

/// The record of the greatest errors over Float32 arguments, `Benchmarks/elementary/errors.json`.
struct ElementaryErrors: Decodable {
  struct Side: Decodable {
    /// In units in the last place of the true result.
    let ulps: Double
    /// The argument, as a hexadecimal literal.
    let at: String
  }

  struct Function: Decodable {
    let function: String
    let wrong_specials: Int
    let negative: Side?
    let positive: Side?
    let digest: String
    let sample_digest: String

    var sides: [Side] { [negative, positive].compactMap { $0 } }
    var greatest: Double { sides.map(\.ulps).max() ?? 0 }
  }

  /// Of so many blocks of 16 arguments one is in the sample.
  let sample: UInt64
  let functions: [Function]

  static func read() throws -> ElementaryErrors {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let file = root.appendingPathComponent("Benchmarks/elementary/errors.json")
    return try JSONDecoder().decode(ElementaryErrors.self, from: Data(contentsOf: file))
  }
}

/// The bounds that the oracle uses, the activations and all targets, by that record.
@Suite struct ElementaryTests {
  /// A kernel of every function of the record, by its name there.
  private func kernel(_ extent: Int) -> Kernel {
    let x = Tensor.input("x", [.rows, .fixed(extent)], .f32)
    let functions: [(String, Tensor)] = [
      ("exp", x.exp()), ("log", x.log()), ("tanh", x.tanh()), ("erf", x.erf()),
      ("sigmoid", x.sigmoid()), ("silu", x.silu()), ("gelu", x.gelu()),
      ("gelu_tanh", x.geluTanh()), ("sqrt", x.squareRoot()), ("fma", x.multiplyAdd(x, x)),
    ]
    return Kernel("elementary", outputs: functions.map { Kernel.Output("\($0)_of_x", $1) })
  }

  @Test func boundsAreTheMeasuredErrors() throws {
    let errors = try ElementaryErrors.read()
    for function in ElementaryFunction.allCases {
      let entry = try #require(errors.functions.first { $0.function == function.rawValue })
      #expect(entry.greatest <= function.ulpBound, "\(function)")
      #expect(entry.greatest > function.ulpBound - 0.15, "\(function): a loose bound")
    }
    for entry in errors.functions {
      #expect(entry.wrong_specials == 0, "\(entry.function)")
      if ["sqrt", "fma"].contains(entry.function) { #expect(entry.greatest <= 0.5) }
    }
  }

  /// The sample's results from compiled kernels: functions and activations as they are composed.
  @Test(arguments: Targets.usable)
  func kernelsHaveTheDigestsOfTheRecord(target: Target) throws {
    let errors = try ElementaryErrors.read()
    let starts = stride(from: UInt64(0), to: 1 << 32, by: Int(16 * errors.sample))
    let arguments = starts.flatMap { base in (0..<16).map { UInt32(base) + $0 } }
    let extent = 64
    let rows = (arguments.count + extent - 1) / extent
    var values = arguments.map { Float(bitPattern: $0) }
    values += [Float](repeating: 0, count: rows * extent - values.count)
    let compiler = Compiler(target: target)
    let lowering = try compiler.lower(kernel(extent))
    let inputs = ["x": try HostTensor(values, shape: [rows, extent])]
    let outputs = try TargetMachine.outputs(
      of: [KernelCall(lowering, rows: rows, inputs: inputs)], on: target, compiler: compiler)[0]
    #expect(outputs.count == errors.functions.count)
    for entry in errors.functions {
      let output = try #require(outputs["\(entry.function)_of_x"])
      let digest = output.withUnsafeBytes { bytes in
        var digest: UInt64 = 0
        let results = bytes.assumingMemoryBound(to: Float.self)
        for (index, argument) in arguments.enumerated() {
          let bits = results[index].isNaN ? 0x7fc0_0000 : results[index].bitPattern
          digest &+= (2 * UInt64(argument) + 1) &* UInt64(bits)
        }
        return digest
      }
      #expect(digest == UInt64(entry.sample_digest, radix: 16), "\(entry.function) on \(target)")
    }
  }

  /// Beside its Float64 value the oracle has a bound, which the kernel's greatest errors must not pass.
  @Test func greatestErrorsAreInsideTheOraclesBounds() throws {
    let errors = try ElementaryErrors.read()
    let places = try errors.functions.flatMap(\.sides).map { try #require(Float($0.at)) }
    let graph = try kernel(1).graph()
    let inputs = ["x": try HostTensor(places, shape: [places.count, 1])]
    try Targets.check(
      [Targets.Call(graph: graph, rows: places.count, inputs: inputs)], bounded: true,
      targets: Targets.native)
  }

  /// For positive arguments the bound that follows for an activation is a few units of its result.
  @Test(arguments: ["silu", "gelu", "gelu_tanh"])
  func boundsOfActivationsAreTight(name: String) throws {
    let activation = try #require(Activation.named.first { $0.name == name })
    let graph = try Kernel("k", activation(.input("x", [.rows, 1], .f32))).graph()
    let x = (0..<20_000).map { Float(pow(2, Double($0) / 1000 - 15)) }
    let inputs = ["x": try HostTensor(x, shape: [x.count, 1])]
    let oracle = try GraphInterpreter.outputs(of: graph, rows: x.count, inputs: inputs)[0]
    let greatest = oracle.map { $0.error / DType.f32.ulp(at: $0.value) }.max() ?? .infinity
    #expect(greatest <= 6, "\(name) \(greatest)")
  }
}
