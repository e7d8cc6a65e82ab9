internal import ArgumentParser
internal import NormGen

/// The kernels to check: one, those of a file, or the whole catalog.
struct CheckedKernels: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A kernel's name, or a text file that ends in .ng.", valueName: "KERNEL|FILE.ng"))
  var kernel: String?

  @Flag(help: "Check the whole catalog, a line for each kernel.")
  var all = false

  @OptionGroup var choice: FileKernelOption
  @OptionGroup var gradient: GradientOption

  func validate() throws {
    switch (kernel, all) {
    case (nil, false): throw ValidationError("name a kernel or a text file, or give --all")
    case (let kernel?, true):
      throw ValidationError("--all: checks the whole catalog, found the kernel '\(kernel)' besides")
    case (nil, true):
      if choice.kernelName != nil {
        throw ValidationError("--kernel chooses among the kernels of a text file, not with --all")
      }
    case (_?, false): break
    }
  }

  /// The kernels themselves, also where their gradients are asked for.
  func kernels() throws -> [SelectedKernel] {
    guard let kernel else {
      return try Registry.current.catalog.entries.map { try SelectedKernel($0) }
    }
    return try SelectedKernel.named(kernel, kernelOfFile: choice.kernelName)
  }
}

/// How much a kernel computes.
enum KernelWork {
  /// The multiplications of the matmuls and the elements of all else, for a row; at least 1.
  static func ofRow(_ graph: Graph) -> Int {
    graph.nodes.reduce(1) { sum, node in
      guard node.shape.hasRows else { return sum }
      let count = node.shape.elementsPerRow
      let isProduct = node.op.traits.family == .product
      return sum + count * (isProduct ? graph[node.operands[0]].shape.rowExtent : 1)
    }
  }
}
