public import NormGenIR

extension Kernel {
  /// The kernel that computes the gradients of this kernel's inputs, derived from its primitives.
  ///
  /// Its inputs are those of this kernel's that it needs, then the values that are saved, then the
  /// gradient of each output: `d_y` for the output `y`, of its shape and type (f32 for whole numbers). Its outputs are
  /// `d_x` for each input `x`, of its shape. The gradient of an input without rows is a sum over
  /// all rows in the order of `RowSumOrder`.
  ///
  /// The rules are those of real arithmetic, with these choices:
  /// - A rounding point passes the gradient on as it is.
  /// - max(a, b) and min(a, b) give it to b where they are equal, as they return b; so the gradient
  ///   of relu at 0 is 0. |x| has gradient 0 at 0. `select` gives none to what it compares,
  ///   and neither does `binade` to its operand.
  /// - √x has gradient 0 at 0, unless the kernel itself takes 1/√x.
  /// - What is not selected and what has saturated is 0, also where the derivative behind it is infinite.
  /// - An activation with a derivative of its own (``Activation/derivative``) has that one.
  /// - The largest or smallest element of a row shares it evenly with its equals.
  /// - A product that is accumulated as bf16 pairs has the gradient of the fused one.
  ///
  /// - Parameters:
  ///   - inputs: The inputs to differentiate by, in the order of the outputs; nil for all that
  ///     have a gradient.
  ///   - saved: Named values of this kernel that the gradient reads instead of computing them
  ///     again, such as `inv_rms`; ``storing(_:)`` has this kernel write them.
  ///   - storage: The type of the gradients; nil for each input's own, f32 for whole numbers.
  ///   - includesOutputs: Whether this kernel's outputs are stored, too.
  /// - Throws: ``GradientError``.
  public func gradient(
    withRespectTo inputs: [String]? = nil, saving saved: [String] = [], as storage: DType? = nil,
    includingOutputs includesOutputs: Bool = false
  ) throws(GradientError) -> Kernel {
    try meaning().gradientKernel(
      withRespectTo: inputs, saving: saved, as: storage, includingOutputs: includesOutputs,
      activations: activations + Activation.named)
  }

  /// The kernel with named values as further outputs, each in the type that holds it exactly.
  ///
  /// - Throws: ``GradientError/unknownValue(_:kernel:known:)``.
  public func storing(_ names: [String]) throws(GradientError) -> Kernel {
    try meaning().storingKernel(names, activations: activations)
  }

  private func meaning() throws(GradientError) -> Graph {
    do { return try graph() } catch { throw .graph(error) }
  }
}

extension DType {
  /// The type that the gradient of a tensor of this type is stored in: whole numbers have none.
  fileprivate var ofGradients: DType { holdsFractions ? self : .f32 }
}

extension Graph {
  /// The graph of the gradients of this graph's inputs; see
  /// ``Kernel/gradient(withRespectTo:saving:as:includingOutputs:)``.
  ///
  /// - Parameter activations: Those whose own derivatives are taken, first those of one's own; a kernel
  ///   in Swift knows which it is made with.
  /// - Throws: ``GradientError``.
  public func gradient(
    withRespectTo inputs: [String]? = nil, saving saved: [String] = [], as storage: DType? = nil,
    includingOutputs includesOutputs: Bool = false,
    activations: [Activation] = Activation.named
  ) throws(GradientError) -> Graph {
    let kernel = try gradientKernel(
      withRespectTo: inputs, saving: saved, as: storage, includingOutputs: includesOutputs,
      activations: activations)
    do { return try kernel.graph() } catch { throw .graph(error) }
  }

  /// The graph with named values as further outputs; see ``Kernel/storing(_:)``.
  ///
  /// - Throws: ``GradientError``.
  public func storing(_ names: [String]) throws(GradientError) -> Graph {
    let kernel = try storingKernel(names, activations: [])
    do { return try kernel.graph() } catch { throw .graph(error) }
  }

  fileprivate func storingKernel(
    _ names: [String], activations: [Activation]
  ) throws(GradientError) -> Kernel {
    let forward = ForwardValues(self, saved: [:])
    var stored = outputs.map { Kernel.Output($0.name, forward[$0.value], as: $0.storage) }
    let known = Set(outputs.map(\.name))
    for name in names where !known.contains(name) {
      let id = try value(named: name)
      stored.append(
        Kernel.Output(name, forward[id], as: self[id].op.traits.exactStorage))
    }
    return Kernel(
      self.name, outputs: stored, parameterOrder: inputs.compactMap { self[$0].inputName },
      activations: activations)
  }

  func gradientKernel(
    withRespectTo requested: [String]?, saving saved: [String], as storage: DType?,
    includingOutputs includesOutputs: Bool, activations: [Activation]
  ) throws(GradientError) -> Kernel {
    let names = inputs.compactMap { self[$0].inputName }
    var wanted: [ValueID] = requested == nil ? inputs : []
    for name in requested ?? [] {
      guard let id = inputs.first(where: { self[$0].inputName == name }) else {
        throw .unknownInput(name, kernel: self.name, known: names)
      }
      wanted.append(id)
    }
    var read: [ValueID: String] = [:]
    for name in saved { read[try value(named: name)] = name }

    let upstreamNames = outputs.map { "d_\($0.name)" }
    let parameters = names + saved + upstreamNames
    // Two parameters of one name would be taken for one another.
    var taken: Set<String> = []
    for name in parameters where !taken.insert(name).inserted {
      throw .graph(GraphError(.duplicateName(name), kernel: "\(self.name)_gradient"))
    }
    let upstream = zip(outputs, upstreamNames).map { output, name in
      Tensor.make(
        .input(name: name, storage: output.storage.ofGradients), [],
        requested: self[output.value].shape, storage: nil, location: nil)
    }
    var patterns: [ActivationPattern] = []
    for activation in activations {
      if let pattern = try ActivationPattern(activation) { patterns.append(pattern) }
    }
    var builder = GradientBuilder(
      self, inputs: Set(wanted), saved: read, patterns: patterns)
    let gradients = try builder.gradients(of: wanted, upstream: upstream)
    var stored: [Kernel.Output] = []
    for id in wanted {
      let name = self[id].inputName ?? ""
      guard let gradient = gradients[id] else {
        if requested == nil { continue }
        throw .noPath(input: name, kernel: self.name)
      }
      stored.append(
        Kernel.Output(
          "d_\(name)", gradient, as: storage ?? self[id].op.traits.exactStorage.ofGradients
        ))
    }
    guard !stored.isEmpty else { throw .noInput(kernel: self.name) }
    if includesOutputs {
      stored += outputs.map {
        Kernel.Output($0.name, builder.forward[$0.value], as: $0.storage)
      }
    }
    return Kernel(
      "\(self.name)_gradient", outputs: stored, parameterOrder: parameters,
      activations: activations)
  }

  /// The value that a statement or an output names.
  fileprivate func value(named name: String) throws(GradientError) -> ValueID {
    if let id = values.first(where: { self[$0].name == name }) { return id }
    if let output = outputs.first(where: { $0.name == name }) { return output.value }
    throw .unknownValue(
      name, kernel: self.name, known: nodes.compactMap(\.name))
  }
}
