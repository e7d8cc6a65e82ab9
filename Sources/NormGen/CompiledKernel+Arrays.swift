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
  ///   - inputs: The elements of each input, row after row, by name: `rows` rows, or as many as
  ///     the shape has where it has no rows. A tensor must have the shape.
  ///   - output: Receives the elements of `rows` rows; it has room for them and no more.
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
    try CallCheck.check(rows: rows)
    let ordered = try ordered(inputs, rows: rows)
    try check(output, for: outputParameter, rows: rows)
    try output.withMutableKernelBytes { bytes throws(CallError) in
      try check(bytes.count, of: outputParameter, rows: rows)
      try self.call(rows: rows, ordered[...], [], KernelArgument(bytes), threads)
    }
  }

  /// Checks the type of elements, and of a tensor the shape.
  private func check(
    _ elements: any KernelReadable, for parameter: Buffer, rows: Int
  ) throws(CallError) {
    guard elements.storage == parameter.storage else {
      throw .storage(
        parameter: parameter.name, expected: parameter.storage, found: elements.storage)
    }
    if let tensor = elements as? HostTensor,
      tensor.shape != parameter.shape.extents(rows: rows)
    {
      throw .shape(parameter: parameter.name, expected: parameter.shape, found: tensor.shape)
    }
  }

  /// Checks the number of elements.
  private func check(
    _ byteCount: Int, of parameter: Buffer, rows: Int
  ) throws(CallError) {
    let expected = try CallCheck.elements(of: parameter, rows: rows)
    let found = byteCount / parameter.storage.byteCount
    guard found == expected else {
      throw .elementCount(parameter: parameter.name, expected: expected, found: found)
    }
  }

  /// The inputs in parameter order.
  private func ordered(
    _ inputs: KeyValuePairs<String, any KernelReadable>, rows: Int
  ) throws(CallError) -> [(parameter: Buffer, elements: any KernelReadable)] {
    let read = parameters.filter { !$0.isOutput }
    var given: [String: any KernelReadable] = [:]
    for (name, elements) in inputs {
      guard read.contains(where: { $0.name == name }) else {
        throw .unknown(name: name, parameters: read.map(\.name))
      }
      guard given.updateValue(elements, forKey: name) == nil else { throw .repeated(name: name) }
    }
    var ordered: [(Buffer, any KernelReadable)] = []
    for parameter in read {
      guard let elements = given[parameter.name] else {
        throw .missing(parameter: parameter.name)
      }
      try check(elements, for: parameter, rows: rows)
      ordered.append((parameter, elements))
    }
    return ordered
  }

  /// Opens one array after the other, so that all are open during the call.
  private func call(
    rows: Int, _ inputs: ArraySlice<(parameter: Buffer, elements: any KernelReadable)>,
    _ open: [KernelArgument],
    _ output: KernelArgument, _ threads: Int
  ) throws(CallError) {
    guard let next = inputs.first else {
      try self(rows: rows, open + [output], threads: threads)
      return
    }
    try next.elements.withKernelBytes { bytes throws(CallError) in
      try check(bytes.count, of: next.parameter, rows: rows)
      try self.call(
        rows: rows, inputs.dropFirst(), open + [KernelArgument(bytes)], output, threads)
    }
  }
}
