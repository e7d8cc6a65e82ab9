public import NormGen

/// Compiles the separate kernels of many graphs; those that differ in names alone are compiled once.
public final class PartCompiler {
  /// A compiled kernel, and what the graph that it was asked for calls its parameters.
  public struct Part {
    /// The kernel, with parameter names of its own.
    public let kernel: CompiledKernel
    /// The graph's names of the kernel's parameters, in order.
    public let names: [String]
  }

  private let compiler: Compiler
  private var kernels: [Graph: CompiledKernel] = [:]

  /// Creates a compiler of parts.
  public init(_ compiler: Compiler) {
    self.compiler = compiler
  }

  /// The kernel of a graph.
  public func part(_ graph: Graph) throws -> Part {
    let names = graph.inputs.compactMap { graph[$0].inputName } + graph.outputs.map(\.name)
    let renamed = PartCompiler.renamed(graph)
    if let known = kernels[renamed] { return Part(kernel: known, names: names) }
    let kernel = try compiler.compile(renamed)
    kernels[renamed] = kernel
    return Part(kernel: kernel, names: names)
  }

  /// The graph with names that only count.
  private static func renamed(_ graph: Graph) -> Graph {
    var places: [ValueID: Int] = [:]
    for (place, id) in graph.inputs.enumerated() { places[id] = place }
    let nodes = graph.values.map { id -> Node in
      let node = graph[id]
      var op = node.op
      if case .input(_, let storage) = op {
        op = .input(name: "in\(places[id] ?? 0)", storage: storage)
      }
      return Node(op: op, operands: node.operands, shape: node.shape)
    }
    return Graph(
      name: "part", nodes: nodes, inputs: graph.inputs,
      outputs: graph.outputs.enumerated().map { place, output in
        Output(name: "out\(place)", value: output.value, storage: output.storage)
      }, scopes: [])
  }
}
