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
    let panelColumns: Int
    let depth: Int
    let columns: Int
    let storage: DType
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
    guard let buffer = parameters.first(where: { $0.name == parameter }) else {
      throw .unknown(name: parameter, parameters: parameters.map(\.name))
    }
    guard let layout = packedLayout(of: parameter), let pack = code.packs[parameter] else {
      throw .notPacked(parameter: parameter)
    }
    _ = try CallCheck.check(weights, for: buffer, rows: 1)
    let elements = packedElements(of: parameter)
    let (byteCount, overflows) = elements.multipliedReportingOverflow(by: buffer.storage.byteCount)
    let memory: AlignedMemory
    do {
      memory = try AlignedMemory(byteCount: overflows ? .max : byteCount)
    } catch { throw .memory(of: "the packed weights of '\(parameter)'", byteCount: byteCount) }
    pack(weights.bytes.baseAddress, memory.bytes.baseAddress)
    return PackedWeights(memory: memory, layout: layout)
  }

  /// What packed weights of a parameter must be; nil if it takes none.
  func packedLayout(of parameter: String) -> PackedWeights.Layout? {
    guard let product = product(of: parameter) else { return nil }
    return PackedWeights.Layout(
      panelColumns: lowering.target.panelColumns, depth: product.depth, columns: product.columns,
      storage: product.storage, matmul: product.matmul)
  }

  private func packedElements(of parameter: String) -> Int {
    lowering.module.interface.parameter(parameter)?.packing?.elements ?? 0
  }

  private func product(of parameter: String) -> Multiplication? {
    lowering.program.multiplications.first { $0.weights == parameter && $0.isPacked }
  }
}
