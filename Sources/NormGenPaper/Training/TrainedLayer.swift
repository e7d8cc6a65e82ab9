import NormGen

/// A layer: a kernel, and the kernel of its gradients that is derived from it.
struct TrainedLayer {
  let forward: CompiledKernel
  let backward: CompiledKernel
  /// Where the gradient kernel's sums for each parameter go before they are added up.
  private let scratch: [String: Area]

  /// Changes gradient graphs before they are compiled.
  typealias Rewrite = @Sendable (Graph) throws -> Graph

  /// - Parameters:
  ///   - kernel: The layer; it writes Float32.
  ///   - inputs: The inputs that have gradients: parameters, and data that come from other layers.
  init(
    _ kernel: Kernel, gradientsOf inputs: [String], _ compiler: Compiler, _ rewrite: Rewrite
  ) throws {
    forward = try compiler.compile(kernel)
    let graph = try kernel.gradient(withRespectTo: inputs, as: .f32).graph()
    backward = try compiler.compile(try rewrite(graph))
    var scratch: [String: Area] = [:]
    for parameter in backward.parameters where parameter.isOutput && !parameter.shape.hasRows {
      scratch[parameter.name] = Area(parameter.shape.elementsPerRow)
    }
    self.scratch = scratch
  }

  /// Runs the layer.
  ///
  /// - Parameters:
  ///   - arguments: Data and outputs by the kernel's names.
  ///   - suffix: What the parameters' names have behind the kernel's.
  func runForward(
    rows: Int, _ arguments: [String: KernelArgument], _ state: ParameterState, suffix: String = ""
  ) throws {
    try forward(
      rows: rows,
      try forward.parameters.map { parameter in
        try Self.argument(parameter.name, arguments, state, suffix)
      })
  }

  /// Runs the gradient kernel; gradients of parameters are added to the state's.
  ///
  /// - Parameter arguments: Data, the outputs' gradients and the data's gradients by the kernel's
  ///   names.
  func runBackward(
    rows: Int, _ arguments: [String: KernelArgument], _ state: ParameterState, suffix: String = ""
  ) throws {
    var found: [(area: Area, total: Area)] = []
    let list = try backward.parameters.map { parameter -> KernelArgument in
      guard parameter.isOutput, arguments[parameter.name] == nil else {
        return try Self.argument(parameter.name, arguments, state, suffix)
      }
      guard let area = scratch[parameter.name],
        let total = state.gradients[parameter.name.dropFirst(2) + suffix]
      else { throw CallError.missing(parameter: parameter.name) }
      found.append((area, total))
      return area.argument()
    }
    try backward(rows: rows, list)
    for (area, total) in found { total.add(area, count: area.numbers.count) }
  }

  private static func argument(
    _ name: String, _ arguments: [String: KernelArgument], _ state: ParameterState,
    _ suffix: String
  ) throws(CallError) -> KernelArgument {
    if let argument = arguments[name] { return argument }
    guard let area = state.values[name + suffix] else { throw .missing(parameter: name) }
    return area.argument()
  }
}
