internal import ArgumentParser
package import NormGen

/// The argument that names a kernel: of the catalog, or in a text file.
struct KernelSelection: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A kernel's name, or a text file that ends in .ng.", valueName: "KERNEL|FILE.ng"))
  var kernel: String

  @OptionGroup var choice: FileKernelOption
  @OptionGroup var gradient: GradientOption

  /// Exactly one kernel, or its gradient.
  func one() throws -> SelectedKernel {
    let all = try all()
    guard let only = all.first, all.count == 1 else {
      throw CommandError.severalKernels(file: kernel, names: all.map(\.graph.name))
    }
    return try gradient.applied(to: only)
  }

  /// All kernels that are named, one or those of a file, also where their gradients are asked for.
  func all() throws -> [SelectedKernel] {
    try SelectedKernel.named(kernel, kernelOfFile: choice.kernelName)
  }
}

/// The option that chooses among a file's kernels.
struct FileKernelOption: ParsableArguments {
  @Option(
    name: .customLong("kernel"),
    help: ArgumentHelp("One of the kernels of a text file.", valueName: "name"))
  var kernelName: String?
}

/// A kernel that was named on the command line.
package struct SelectedKernel {
  /// Its meaning.
  package let graph: Graph
  /// The arguments that name it again, as they may stand in an emitted file.
  let arguments: String

  /// The kernels that an argument means.
  package static func named(_ name: String, kernelOfFile: String? = nil) throws -> [SelectedKernel]
  {
    guard isFile(name) else {
      if kernelOfFile != nil { throw CommandError.kernelOptionWithoutFile(name) }
      return [try ofCatalog(name)]
    }
    let graphs = try TextFile.graphs(at: name)
    let kernels = graphs.map { graph in
      let choice = graphs.count > 1 ? " --kernel \(graph.name)" : ""
      return SelectedKernel(graph: graph, arguments: plainFileName(of: name) + choice)
    }
    guard let kernelOfFile else { return kernels }
    let chosen = kernels.filter { $0.graph.name == kernelOfFile }
    guard !chosen.isEmpty else {
      throw CommandError.unknownKernelOfFile(
        kernelOfFile, file: name, known: graphs.map(\.name))
    }
    return chosen
  }

  private static func ofCatalog(_ name: String) throws -> SelectedKernel {
    let catalog = Registry.current.catalog
    guard let entry = catalog[name] else {
      throw CommandError.unknownKernel(
        name, near: NearNames.of(name, among: catalog.entries.map(\.kernel.name)))
    }
    return try SelectedKernel(entry)
  }

  /// A kernel of the catalog.
  init(_ entry: Catalog.Entry) throws(GraphError) {
    self.init(graph: try entry.kernel.graph(), arguments: entry.kernel.name)
  }

  init(graph: Graph, arguments: String) {
    self.graph = graph
    self.arguments = arguments
  }

  /// Whether an argument means a text file and not a kernel of the catalog.
  package static func isFile(_ name: String) -> Bool {
    name.hasSuffix(".ng") || name.contains("/")
  }

  /// The file's own name if it may stand in a C comment and a command line as it is.
  private static func plainFileName(of path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    return CommandText.isPlain(name) && !name.hasPrefix("-") ? name : "FILE.ng"
  }
}
