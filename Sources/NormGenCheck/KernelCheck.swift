public import NormGen

/// A kernel's outputs on seeded inputs, judged by the oracle's derived bounds.
public struct KernelCheck: Sendable {
  /// What was checked.
  public struct Output: Sendable {
    /// The output's name.
    public let name: String
    /// How it compares with the oracle.
    public let agreement: Agreement
  }

  /// The number of rows.
  public let rows: Int
  /// One for each output of the kernel, in parameter order.
  public let outputs: [Output]

  /// Whether every element lies inside its bound.
  public var passes: Bool { outputs.allSatisfy(\.agreement.passes) }

  /// Compares the outputs of one call with the oracle.
  public init(_ call: KernelCall, outputs: [String: HostTensor]) throws {
    let graph = call.lowering.graph
    let oracle = try GraphInterpreter.outputs(of: graph, rows: call.rows, inputs: call.inputs)
    try self.init(call, outputs: outputs, oracle: oracle)
  }

  /// Compares the outputs of one call with the oracle's, one for each output of the kernel.
  public init(
    _ call: KernelCall, outputs: [String: HostTensor], oracle: [[Bounded]]
  ) throws(CallError) {
    let graph = call.lowering.graph
    self.rows = call.rows
    self.outputs = try zip(graph.outputs, oracle).map { output, expected throws(CallError) in
      guard let tensor = outputs[output.name] else {
        throw CallError.missing(parameter: output.name)
      }
      return Output(name: output.name, agreement: Agreement(kernel: tensor, oracle: expected))
    }
  }

  /// Runs a kernel on seeded inputs of several numbers of rows and checks each.
  public static func checks(
    of lowering: Lowering, rows: [Int], seed: UInt64, compiler: Compiler
  ) throws -> [KernelCheck] {
    let calls = try rows.map { rows in
      KernelCall(
        lowering, rows: rows,
        inputs: try RandomInputs.tensors(for: lowering.graph, rows: rows, seed: seed))
    }
    let outputs = try TargetMachine.outputs(of: calls, on: lowering.target, compiler: compiler)
    return try zip(calls, outputs).map { try KernelCheck($0, outputs: $1) }
  }
}
