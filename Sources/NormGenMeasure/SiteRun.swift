public import NormGen
private import NormGenTensors

/// A model's site with seeded weights, compiled, ready to be checked and timed.
///
/// The weights are drawn and packed once; the kernel and its unfused parts share them.
public final class SiteRun {
  /// The kernel's graph.
  public let graph: Graph
  /// The kernel.
  public let kernel: CompiledKernel
  /// The same as separate kernels; empty where there is nothing to separate.
  public let parts: [PartCompiler.Part]
  private let passed: [UnfusedKernel.Passed]
  private let inputs: [String: HostTensor]
  private let packed: [String: PackedWeights]

  /// At least so many rows are drawn, so that the weights of a seed do not depend on the rows of a
  /// call; they are drawn behind the rows.
  private static let drawnRows = 128

  /// Compiles a graph and draws inputs for up to `rows` rows.
  ///
  /// - Parameters:
  ///   - separates: Whether the separate parts are compiled, too.
  ///   - partCompiler: Compiles them, and may have done so for other graphs.
  public init(
    _ graph: Graph, rows: Int, seed: UInt64, separates: Bool = true, compiler: Compiler,
    partCompiler: PartCompiler? = nil
  ) throws {
    self.graph = graph
    let kernel = try compiler.compile(graph)
    self.kernel = kernel
    let unfused = UnfusedKernel(graph)
    parts =
      separates && unfused.parts.count > 1
      ? try unfused.parts.map { try (partCompiler ?? PartCompiler(compiler)).part($0) } : []
    passed = unfused.passed
    let inputs = try RandomInputs.tensors(
      for: graph, rows: max(rows, SiteRun.drawnRows), seed: seed)
    var packed: [String: PackedWeights] = [:]
    for product in kernel.lowering.program.products where product.isPacked {
      guard packed[product.weights] == nil, let tensor = inputs[product.weights] else { continue }
      packed[product.weights] = try tensor.withUnsafeBytes { bytes in
        try kernel.packed(product.weights, KernelArgument(bytes))
      }
    }
    self.inputs = inputs
    self.packed = packed
  }

  // MARK: Calls

  /// The kernel, or its parts, bound to the inputs and to outputs of their own.
  final class Call {
    private let kernels: [BoundKernel]
    private let areas: [String: AlignedMemory]
    // Holds the inputs and the packed weights.
    private let run: SiteRun
    private let rows: Int

    fileprivate init(
      _ run: SiteRun, _ kernels: [PartCompiler.Part], rows: Int, threads: Int
    ) throws {
      self.run = run
      self.rows = rows
      var sizes: [String: Int] = [:]
      for output in run.graph.outputs {
        sizes[output.name] = run.byteCount(output.value, output.storage, rows)
      }
      for value in run.passed where kernels.count > 1 {
        sizes[value.name] = run.byteCount(value.value, value.storage, rows)
      }
      areas = try sizes.mapValues { size in
        let area = try AlignedMemory(byteCount: size)
        // Every page is written, so that a measurement meets none for the first time.
        area.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        return area
      }
      var bound: [BoundKernel] = []
      for part in kernels {
        let areas = areas
        let arguments = try part.names.map { try run.argument($0, areas) }
        bound.append(try part.kernel.bound(rows: rows, arguments, threads: threads))
      }
      self.kernels = bound
    }

    func callAsFunction() {
      for kernel in kernels { kernel() }
    }

    /// The bytes of the first rows of an output.
    func bytes(of output: Output, rows: Int) -> UnsafeRawBufferPointer {
      guard let area = areas[output.name]?.bytes else {
        return UnsafeRawBufferPointer(start: nil, count: 0)
      }
      let size = min(run.byteCount(output.value, output.storage, rows), area.count)
      return UnsafeRawBufferPointer(rebasing: area[..<size])
    }

    /// Whether the first rows of all outputs have the same bits as another call's.
    func agrees(with other: Call, rows: Int) -> Bool {
      run.graph.outputs.allSatisfy { output in
        bytes(of: output, rows: rows).elementsEqual(other.bytes(of: output, rows: rows))
      }
    }
  }

  /// A call of the fused kernel.
  func fused(rows: Int, threads: Int = 1) throws -> Call {
    try Call(
      self, [PartCompiler.Part(kernel: kernel, names: kernel.parameters.map(\.name))], rows: rows,
      threads: threads)
  }

  /// A call of the separate kernels; nil if there are none.
  func unfused(rows: Int, threads: Int = 1) throws -> Call? {
    parts.isEmpty ? nil : try Call(self, parts, rows: rows, threads: threads)
  }

  private func byteCount(_ value: ValueID, _ storage: DType, _ rows: Int) -> Int {
    let shape = graph[value].shape
    return shape.elementsPerRow * (shape.hasRows ? rows : 1) * storage.byteCount
  }

  private func argument(
    _ name: String, _ areas: [String: AlignedMemory]
  ) throws(CallError) -> KernelArgument {
    if let area = areas[name] { return KernelArgument(area.bytes) }
    if let weights = packed[name] { return KernelArgument(weights) }
    guard let tensor = inputs[name] else { throw .missing(parameter: name) }
    // The tensors live as long as this run, which every call holds.
    return tensor.withUnsafeBytes { KernelArgument($0) }
  }

  // MARK: Oracle

  /// The inputs of the first rows.
  func inputs(rows: Int) throws -> [String: HostTensor] {
    var first = inputs
    for id in graph.inputs where graph[id].shape.hasRows {
      guard let name = graph[id].inputName, let tensor = inputs[name] else { continue }
      let size = byteCount(id, tensor.storage, rows)
      first[name] = try tensor.withUnsafeBytes { bytes throws(TensorError) in
        try HostTensor(
          bytes: UnsafeRawBufferPointer(rebasing: bytes[..<min(size, bytes.count)]),
          shape: graph[id].shape.extents(rows: rows), tensor.storage)
      }
    }
    return first
  }
}
