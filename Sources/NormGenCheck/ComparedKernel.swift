public import NormGen

/// One of two kernels that are compared: its meaning, and code that claims to compute it.
public struct ComparedKernel: Sendable {
  /// The stages' results; the C is that which is compiled.
  public let lowering: Lowering
  /// What executes the code.
  public let machine: TargetMachine
  private let compiler: Compiler
  /// The code, if it runs in this process.
  private let code: CompiledKernel?

  /// A kernel as it is lowered, or with C of its own.
  ///
  /// - Parameters:
  ///   - lowering: The stages' results.
  ///   - source: C in place of what was emitted, such as an edited copy of it.
  ///   - compiler: Compiles the C.
  public init(_ lowering: Lowering, source: String? = nil, compiler: Compiler) throws {
    self.lowering = source.map { lowering.replacingSource(with: $0) } ?? lowering
    self.machine = try TargetMachine.of(lowering.target)
    self.compiler = compiler
    if machine == .native {
      code = try compiler.compile(self.lowering)
    } else {
      // C that does not compile is found before the machine starts.
      _ = try compiler.object(of: self.lowering)
      code = nil
    }
  }

  /// A kernel in a shared library.
  ///
  /// - Parameters:
  ///   - lowering: The kernel as this compiler lowers it: its functions' names and parameters are the
  ///     library's.
  ///   - library: The library's path.
  public init(
    _ lowering: Lowering, library: String, compiler: Compiler
  ) throws(CompilerError) {
    self.lowering = lowering
    self.machine = .native
    self.compiler = compiler
    code = try compiler.load(lowering, library: library)
  }

  /// The kernel's meaning.
  public var graph: Graph { lowering.graph }

  /// Executes calls and returns each call's outputs, by name.
  ///
  /// - Parameter threads: The most threads that share a call; emulated machines have one.
  public func outputs(
    of calls: [TargetComparison.Call], threads: Int
  ) throws -> [[String: HostTensor]] {
    if let code { return try calls.map { try code($0.inputs, threads: threads) } }
    return try TargetMachine.outputs(
      of: calls.map { KernelCall(lowering, rows: $0.rows, inputs: $0.inputs) },
      on: lowering.target, compiler: compiler, threads: threads)
  }
}

/// Kernels that can't be compared.
public enum ComparisonError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Their parameters differ; one line for each.
  case signatures(String, String, differences: [String])

  public var description: String {
    switch self {
    case .signatures(let first, let second, let differences):
      "'\(first)' and '\(second)' have different parameters:\n  "
        + differences.joined(separator: "\n  ")
    }
  }
}

/// The parameters of a kernel, by name.
struct KernelSignature {
  private let name: String
  private let inputs: [(name: String, type: String)]
  private let outputs: [(name: String, type: String)]

  init(_ graph: Graph) {
    name = graph.name
    inputs = graph.inputs.compactMap { id in
      guard case .input(let name, let storage) = graph[id].op else { return nil }
      return (name, "\(storage.rawValue)\(graph[id].shape)")
    }
    outputs = graph.outputs.map {
      ($0.name, "\($0.storage.rawValue)\(graph[$0.value].shape)")
    }
  }

  /// Checks that two kernels have parameters of the same names, types and shapes, in any order.
  static func check(_ first: Graph, _ second: Graph) throws(ComparisonError) {
    let (left, right) = (KernelSignature(first), KernelSignature(second))
    let differences =
      differences("input", left.inputs, right.inputs)
      + differences("output", left.outputs, right.outputs)
    guard differences.isEmpty else {
      throw .signatures(first.name, second.name, differences: differences)
    }
  }

  private static func differences(
    _ kind: String, _ first: [(name: String, type: String)],
    _ second: [(name: String, type: String)]
  ) -> [String] {
    let names =
      first.map(\.name)
      + second.map(\.name).filter { name in
        !first.contains { $0.name == name }
      }
    return names.compactMap { name in
      let left = first.first { $0.name == name }?.type ?? "none"
      let right = second.first { $0.name == name }?.type ?? "none"
      return left == right ? nil : "\(kind) '\(name)': A has \(left), B has \(right)"
    }
  }
}
