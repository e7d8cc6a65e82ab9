import NormGen

/// Inputs and outputs that several kernels share, so that none of them has better placed memory.
final class CallMemory {
  private let inputs: [String: HostTensor]
  private var outputs: [String: UnsafeMutableRawBufferPointer] = [:]

  init(_ inputs: [String: HostTensor]) {
    self.inputs = inputs
  }

  deinit {
    for area in outputs.values { area.deallocate() }
  }

  /// The kernel bound to the tensors of its parameters' names; outputs of one name share memory.
  ///
  /// The memory must outlive the bound kernel.
  func bound(_ kernel: CompiledKernel, rows: Int) throws -> BoundKernel {
    let arguments = try kernel.parameters.map { parameter in
      parameter.isOutput ? KernelArgument(area(parameter, rows)) : try input(parameter)
    }
    return try kernel.bound(rows: rows, arguments)
  }

  private func input(_ parameter: Buffer) throws(CallError) -> KernelArgument {
    guard let tensor = inputs[parameter.name] else { throw .missing(parameter: parameter.name) }
    return tensor.withUnsafeBytes { KernelArgument($0) }
  }

  private func area(_ parameter: Buffer, _ rows: Int) -> UnsafeMutableRawBufferPointer {
    let count = parameter.shape.elementsPerRow * (parameter.shape.hasRows ? rows : 1)
    let size = count * parameter.storage.byteCount
    if let known = outputs[parameter.name], known.count >= size { return known }
    let area = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
    area.initializeMemory(as: UInt8.self, repeating: 0)
    outputs[parameter.name]?.deallocate()
    outputs[parameter.name] = area
    return area
  }
}
