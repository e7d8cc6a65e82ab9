import NormGen

/// Inputs and outputs that several kernels share, so that none of them has better placed memory.
final class CallMemory {
  private let inputs: [String: HostTensor]
  /// Outputs, and what one kernel leaves for another, by name and size.
  private var outputs: [Area: UnsafeMutableRawBufferPointer] = [:]
  private var packed: [Packing: PackedWeights] = [:]

  private struct Area: Hashable {
    let name: String
    let size: Int
  }

  /// What decides how weights are packed.
  private struct Packing: Hashable {
    let weights: String
    let matmul: Matmul
    let depth: Int
    let columns: Int
  }

  init(_ inputs: [String: HostTensor]) {
    self.inputs = inputs
  }

  deinit {
    for area in outputs.values { area.deallocate() }
  }

  /// The kernel bound to the tensors of its parameters' names; outputs of one name and size share
  /// memory, and a parameter that is no input reads the output of its name.
  ///
  /// The memory must outlive the bound kernel.
  ///
  /// - Parameter names: What the parameters stand for, in order, if not for their own names.
  func bound(_ kernel: CompiledKernel, names: [String]? = nil, rows: Int) throws -> BoundKernel {
    let names = names ?? kernel.parameters.map(\.name)
    let arguments = try zip(kernel.parameters, names).map { parameter, name in
      try argument(parameter, name, of: kernel, rows)
    }
    return try kernel.bound(rows: rows, arguments)
  }

  private func argument(
    _ parameter: Buffer, _ name: String, of kernel: CompiledKernel, _ rows: Int
  ) throws -> KernelArgument {
    let key = Area(name: name, size: size(parameter, rows))
    if parameter.isOutput { return KernelArgument(area(key)) }
    guard let tensor = inputs[name] else {
      guard let area = outputs[key] else {
        throw CallError.missing(parameter: name)
      }
      return KernelArgument(area)
    }
    let product = kernel.lowering.program.products.first {
      $0.isPacked && $0.weights == parameter.name
    }
    guard let product else { return tensor.withUnsafeBytes { KernelArgument($0) } }
    let packing = Packing(
      weights: name, matmul: product.matmul, depth: product.depth,
      columns: product.columns)
    if let known = packed[packing] { return KernelArgument(known) }
    let weights = try tensor.withUnsafeBytes { bytes in
      try kernel.packed(parameter.name, KernelArgument(bytes))
    }
    packed[packing] = weights
    return KernelArgument(weights)
  }

  private func size(_ parameter: Buffer, _ rows: Int) -> Int {
    let count = parameter.shape.elementsPerRow * (parameter.shape.hasRows ? rows : 1)
    return count * parameter.storage.byteCount
  }

  private func area(_ key: Area) -> UnsafeMutableRawBufferPointer {
    if let known = outputs[key] { return known }
    let area = UnsafeMutableRawBufferPointer.allocate(byteCount: key.size, alignment: 4096)
    area.initializeMemory(as: UInt8.self, repeating: 0)
    outputs[key] = area
    return area
  }
}
