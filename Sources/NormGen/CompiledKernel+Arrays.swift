import NormGenIR
import NormGenLoops
import NormGenTensors

extension CompiledKernel {
  /// Runs a kernel of one output on arrays without gaps between rows.
  ///
  /// ```swift
  /// try kernel(rows: 2, ["x": x, "gain": gain], into: &y)
  /// ```
  ///
  /// - Parameters:
  ///   - rows: The number of rows; with 0 nothing is read or written.
  ///   - inputs: The elements of each input, row after row, by name.
  ///   - output: Receives the elements; at least `rows` rows long.
  ///   - threads: The most threads that share the call; see ``bound(rows:_:threads:)``.
  /// - Throws: ``CallError`` naming the parameter, what it needs and what was found; nothing has
  ///   been written then.
  public func callAsFunction(
    rows: Int, _ inputs: KeyValuePairs<String, any KernelReadable>,
    into output: inout some KernelWritable, threads: Int = 1
  ) throws(CallError) {
    let written = parameters.filter(\.isOutput)
    guard written.count == 1, let outputParameter = written.first else {
      throw .outputCount(kernel: name, expected: written.map(\.name), found: 1)
    }
    let ordered = try ordered(inputs)
    guard output.storage == outputParameter.storage else {
      throw .storage(
        parameter: outputParameter.name, expected: outputParameter.storage, found: output.storage)
    }
    try output.withMutableKernelBytes { bytes throws(CallError) in
      try self.call(rows: rows, ordered[...], [], KernelArgument(bytes), threads)
    }
  }

  /// The inputs in parameter order.
  private func ordered(
    _ inputs: KeyValuePairs<String, any KernelReadable>
  ) throws(CallError) -> [any KernelReadable] {
    let read = parameters.filter { !$0.isOutput }
    var given: [String: any KernelReadable] = [:]
    for (name, elements) in inputs {
      guard read.contains(where: { $0.name == name }) else {
        throw .unknown(name: name, parameters: read.map(\.name))
      }
      guard given.updateValue(elements, forKey: name) == nil else { throw .repeated(name: name) }
    }
    var ordered: [any KernelReadable] = []
    for parameter in read {
      guard let elements = given[parameter.name] else {
        throw .missing(parameter: parameter.name)
      }
      guard elements.storage == parameter.storage else {
        throw .storage(
          parameter: parameter.name, expected: parameter.storage, found: elements.storage)
      }
      ordered.append(elements)
    }
    return ordered
  }

  /// Opens one array after the other, so that all are open during the call.
  private func call(
    rows: Int, _ inputs: ArraySlice<any KernelReadable>, _ open: [KernelArgument],
    _ output: KernelArgument, _ threads: Int
  ) throws(CallError) {
    guard let next = inputs.first else {
      try self(rows: rows, open + [output], threads: threads)
      return
    }
    try next.withKernelBytes { bytes throws(CallError) in
      try self.call(
        rows: rows, inputs.dropFirst(), open + [KernelArgument(bytes)], output, threads)
    }
  }
}
