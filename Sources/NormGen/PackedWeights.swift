import NormGenIR
import NormGenLoops
import NormGenTensors

/// Weights in the order in which a kernel's matmul reads them.
///
/// They are copied when they are packed: later changes of the original are not seen. Kernels with
/// the same target and a matmul of the same extents and types can share them.
public final class PackedWeights: @unchecked Sendable {
  // Written once, before anybody else sees it.
  let memory: AlignedMemory
  let layout: Layout

  /// What must agree for a kernel to read the weights.
  struct Layout: Hashable, Sendable {
    let sliverColumns: Int
    let depth: Int
    let columns: Int
    let storage: DType
    let format: BlockFormat?
    let matmul: Matmul
  }

  init(memory: AlignedMemory, layout: Layout) {
    self.memory = memory
    self.layout = layout
  }

  /// The bytes that the packed weights take.
  public var byteCount: Int { memory.bytes.count }
}

extension CompiledKernel {
  /// Packs the weights of a parameter, once for many calls.
  ///
  /// - Parameters:
  ///   - parameter: A parameter with the weights of a matmul.
  ///   - weights: The weights in the parameter's shape, without gaps.
  /// - Throws: ``CallError`` if the parameter takes no packed weights, the memory does not fit or
  ///   there is none for the packed ones.
  public func packed(
    _ parameter: String, _ weights: KernelArgument
  ) throws(CallError) -> PackedWeights {
    guard parameters.contains(where: { $0.name == parameter }) else {
      throw .unknown(name: parameter, parameters: parameters.map(\.name))
    }
    return try packed(parameter, [parameter: weights])
  }

  /// Computes and packs weights, once for many calls.
  ///
  /// - Parameters:
  ///   - weights: The name of the weights, see ``computedWeights``, or of a parameter with weights.
  ///   - sources: The inputs that they are computed from, by name, each in its shape, without gaps.
  /// - Throws: ``CallError`` if there are no such weights, an input is missing or does not fit, or there
  ///   is no memory for the packed weights.
  public func packed(
    _ weights: String, _ sources: [String: KernelArgument]
  ) throws(CallError) -> PackedWeights {
    guard let parameter = lowering.module.interface.parameter(weights),
      let packing = parameter.packing, let layout = packedLayout(of: weights),
      let pack = code.packs[weights]
    else { throw .notPacked(parameter: weights) }
    var places: [UnsafeRawPointer?] = []
    for source in packing.sources {
      guard let argument = sources[source.name] else { throw .missing(parameter: source.name) }
      guard argument.packed == nil else { throw .notPacked(parameter: source.name) }
      // Inputs with rows are no weights' sources.
      _ = try CallCheck.check(argument, for: source, rows: 1)
      places.append(UnsafeRawPointer(argument.bytes.baseAddress))
    }
    let (byteCount, overflows) = packing.elements.multipliedReportingOverflow(
      by: parameter.buffer.storage.byteCount)
    let memory: AlignedMemory
    do {
      memory = try AlignedMemory(byteCount: overflows ? .max : byteCount)
    } catch { throw .memory(of: "the packed weights of '\(weights)'", byteCount: byteCount) }
    pack(places, memory.bytes.baseAddress)
    return PackedWeights(memory: memory, layout: layout)
  }

  /// The names of the weights that the kernel computes, once, when they are packed, with the inputs that
  /// each is computed from.
  public var computedWeights: [(name: String, inputs: [String])] {
    lowering.program.weights.map { ($0.name, $0.inputs.map(\.name)) }
  }

  /// The packed weights that the emitted function takes in place of an input's elements; nil if it takes
  /// none that fit.
  func packedParameter(
    of input: String, taking packed: PackedWeights
  ) -> String? {
    lowering.module.interface.parameters.first { parameter in
      parameter.packing?.sources.contains { $0.name == input } == true
        && packedLayout(of: parameter.buffer.name) == packed.layout
    }?.buffer.name
  }

  /// Whether some packed weights stand in place of an input's elements.
  func isPacked(_ input: String) -> Bool {
    lowering.module.interface.parameters.contains { parameter in
      parameter.packing?.sources.contains { $0.name == input } == true
    }
  }

  /// What packed weights of a parameter must be; nil if it takes none.
  func packedLayout(of parameter: String) -> PackedWeights.Layout? {
    guard let product = product(of: parameter) else { return nil }
    return PackedWeights.Layout(
      sliverColumns: product.tile.columns(lanes: lowering.target.lanes), depth: product.depth,
      columns: product.columns,
      storage: product.storage, format: product.format, matmul: product.matmul)
  }

  private func product(of parameter: String) -> Product? {
    lowering.program.products.first { $0.weights == parameter && $0.isPacked }
  }
}
