public import NormGen

/// A kernel's outputs on given inputs, judged by both interpreters: to the bit, and by the derived
/// bounds.
public struct KernelCheck: Sendable {
  /// What was checked.
  public struct Output: Sendable {
    /// The output's name.
    public let name: String
    /// How it compares with the exact interpreter and with the oracle.
    public let judgement: Judgement

    /// How it compares with the oracle.
    public var agreement: Agreement { judgement.bound }
  }

  /// The number of rows.
  public let rows: Int
  /// One for each output of the kernel, in parameter order.
  public let outputs: [Output]

  /// Whether every bit is right and every value lies within its bound.
  public var passes: Bool { outputs.allSatisfy(\.judgement.passes) }

  /// Whether an element has other bits than the graph fixes.
  var hasWrongBits: Bool { outputs.contains { !$0.judgement.exact.passes } }

  /// Whether every value lies within its bound.
  public var liesWithinBounds: Bool { outputs.allSatisfy(\.agreement.passes) }

  /// Compares the outputs of one call with what the interpreters say.
  public init(_ call: KernelCall, outputs: [String: HostTensor]) throws {
    let reference = try ReferenceOutputs(
      of: call.lowering.graph, rows: call.rows, inputs: call.inputs)
    try self.init(call, outputs: outputs, reference: reference)
  }

  /// Compares the outputs of one call with what the interpreters said of it.
  public init(
    _ call: KernelCall, outputs: [String: HostTensor], reference: ReferenceOutputs
  ) throws(CallError) {
    let graph = call.lowering.graph
    self.rows = call.rows
    var judged: [Output] = []
    for (index, output) in graph.outputs.enumerated() {
      guard let tensor = outputs[output.name] else {
        throw CallError.missing(parameter: output.name)
      }
      judged.append(
        Output(name: output.name, judgement: reference.judgement(of: tensor, output: index)))
    }
    self.outputs = judged
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

  /// The outputs of which no check has a telling element: nothing but NaN, or without a bound.
  static func unjudged(_ checks: [KernelCheck], of graph: Graph) -> [String] {
    graph.outputs.indices.filter { index in
      checks.allSatisfy { $0.outputs[index].judgement.telling == 0 }
    }.map { graph.outputs[$0].name }
  }
}
