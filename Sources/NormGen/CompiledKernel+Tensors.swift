import NormGenIR
import NormGenLoops
public import NormGenTensors

extension CompiledKernel {
  /// Runs the kernel on tensors.
  ///
  /// - Parameters:
  ///   - inputs: A tensor for each input, by name; where the kernel's shape begins with `rows` the
  ///     tensor's leading extent is the number of rows.
  ///   - threads: The most threads that share the call; see ``bound(rows:_:threads:)``.
  /// - Returns: A new tensor for each output, by name.
  /// - Throws: ``CallError`` for a missing, unknown or unfit tensor.
  public func callAsFunction(
    _ inputs: [String: HostTensor], threads: Int = 1
  ) throws(CallError) -> [String: HostTensor] {
    guard threads >= 1 else { throw .threads(threads) }
    let inputParameters = parameters.filter { !$0.isOutput }
    let names = inputParameters.map(\.name)
    if let name = inputs.keys.sorted().first(where: { !names.contains($0) }) {
      throw .unknown(name: name, parameters: names)
    }
    let rows = try rows(of: inputs, inputParameters)
    var outputs: [HostTensor] = []
    for parameter in parameters where parameter.isOutput {
      do {
        outputs.append(
          try HostTensor(zeros: parameter.shape.extents(rows: rows), parameter.storage))
      } catch {
        guard case .memory(let byteCount) = error else { throw .rows(rows) }
        throw .memory(of: "'\(parameter.name)'", byteCount: byteCount)
      }
    }
    var arguments: [KernelArgument] = []
    for parameter in inputParameters {
      // The tensors are alive in `inputs` until the call has returned.
      inputs[parameter.name]?.withUnsafeBytes { arguments.append(KernelArgument($0)) }
    }
    for index in outputs.indices {
      outputs[index].withUnsafeMutableBytes { arguments.append(KernelArgument($0)) }
    }
    try withExtendedLifetime((inputs, outputs)) { () throws(CallError) in
      try self(rows: rows, arguments, threads: threads)
    }
    let outputNames = parameters.filter(\.isOutput).map(\.name)
    return Dictionary(uniqueKeysWithValues: zip(outputNames, outputs))
  }

  /// The number of rows that the tensors agree on.
  private func rows(
    of inputs: [String: HostTensor], _ parameters: [Buffer]
  ) throws(CallError) -> Int {
    var rows: Int?
    for parameter in parameters {
      guard let tensor = inputs[parameter.name] else {
        throw .missing(parameter: parameter.name)
      }
      guard tensor.storage == parameter.storage else {
        throw .storage(
          parameter: parameter.name, expected: parameter.storage, found: tensor.storage)
      }
      let leading = parameter.shape.hasRows ? tensor.shape.first : nil
      let fixed = parameter.shape.hasRows ? Array(tensor.shape.dropFirst()) : tensor.shape
      guard fixed == parameter.shape.extents, parameter.shape.hasRows == (leading != nil) else {
        throw .shape(
          parameter: parameter.name, expected: parameter.shape, found: tensor.shape)
      }
      if let leading {
        guard rows == nil || rows == leading else {
          throw .rowsDiffer(parameter: parameter.name, expected: rows ?? 0, found: leading)
        }
        rows = leading
      }
    }
    guard let rows else { throw .missing(parameter: "any input with rows") }
    return rows
  }
}
