internal import ArgumentParser
internal import NormGen

/// Writes kernels as C.
struct EmitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "emit",
    abstract: "Write a kernel as one .c and one .h file that need nothing else.",
    discussion: """
      All kernels of a text file are written unless --kernel chooses one, and none if one is refused. With --catalog every \
      kernel of the catalog is written for avx2, avx512 and neon, as a C module; one with bf16 dot products for \
      avx512bf16, one with products of integers for avx512vnni and neondot, in place of avx512 and neon.
      """)

  @Argument(
    help: ArgumentHelp(
      "A kernel's name, or a text file that ends in .ng.", valueName: "KERNEL|FILE.ng"))
  var kernel: String?

  @OptionGroup var choice: FileKernelOption
  @OptionGroup var gradient: GradientOption
  @OptionGroup var target: TargetSelection

  @Flag(help: "Write the whole catalog, by default to \(GeneratedFiles.defaultDirectory).")
  var catalog = false

  @Option(
    help: ArgumentHelp(
      "The name of the catalog's C module, by default \(GeneratedFiles.defaultModule).",
      valueName: "name"))
  var module: String?

  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp(
      "The directory to write to, by default the current one.", valueName: "dir"))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "What the file's own types, macros and static functions begin with, so that files with other prefixes fit in one translation unit.",
      valueName: "name"))
  var prefix: String?

  @Flag(help: "Print the header and the source instead of writing files.")
  var stdout = false

  func validate() throws {
    guard catalog else {
      if kernel == nil { throw ValidationError("expected KERNEL, FILE.ng or --catalog") }
      if module != nil { throw ValidationError("--module names the module of --catalog") }
      if stdout, output != nil { throw ValidationError("expected -o or --stdout, found both") }
      if let prefix, !Identifier.isValid(prefix) || prefix.hasPrefix("_") {
        throw ValidationError(
          "--prefix: expected a C identifier that begins with a letter, found '\(prefix)'")
      }
      return
    }
    if let kernel {
      throw ValidationError("expected a kernel or --catalog, found both ('\(kernel)')")
    }
    if stdout { throw ValidationError("--catalog writes files; it can't go with --stdout") }
    if target.target != nil || target.strategy.isGiven || choice.kernelName != nil
      || gradient.isGiven || prefix != nil
    {
      throw ValidationError(
        "--catalog can't go with --kernel, --gradient, --target, --schedule, --plain-weights, "
          + "--chunk-rows or --prefix")
    }
    try ModuleName.validate(module)
  }

  func run() throws {
    if catalog {
      let files = try GeneratedFiles(module: module ?? GeneratedFiles.defaultModule).files
      try write(files, to: output ?? GeneratedFiles.defaultDirectory)
      return
    }
    guard let kernel else { return }
    let compiler = try target.compiler()
    var files: [EmittedFile] = []
    let kernels = try SelectedKernel.named(kernel, kernelOfFile: choice.kernelName)
    var refusals = KernelRefusals()
    for named in kernels {
      let source = try refusals.result(of: named.graph.name, isOnly: kernels.count == 1) {
        let selected = try gradient.applied(to: named)
        var emitting = compiler.emitting(selected)
        if let prefix { emitting.command = emitting.command.map { "\($0) --prefix \(prefix)" } }
        return try emitting.lower(selected.graph).source
      }
      guard var source else { continue }
      if let prefix { source = try source.prefixingOwnNames(with: prefix) }
      files.append(EmittedFile(path: "\(source.name).h", text: source.header))
      files.append(EmittedFile(path: "\(source.name).c", text: source.source))
    }
    // All files are written or none.
    try refusals.throwIfAny()
    if stdout {
      try Terminal.print(files.map(\.text).joined(separator: "\n"))
    } else {
      try write(
        files, to: output ?? ".", notReplacing: SelectedKernel.isFile(kernel) ? [kernel] : [])
    }
  }

  private func write(
    _ files: [EmittedFile], to directory: String, notReplacing inputs: [String] = []
  ) throws {
    guard !directory.isEmpty else {
      throw ValidationError("--output: expected a directory, found ''")
    }
    let paths = try FileWriter.write(files, to: directory, notReplacing: inputs)
    try Terminal.print(paths.joined(separator: "\n"))
  }
}

/// The check of a C module's name, which becomes a file's name and a macro.
enum ModuleName {
  static func validate(_ name: String?) throws {
    guard let name, !Identifier.isValid(name) else { return }
    throw ValidationError("--module: expected a C identifier, found '\(name)'")
  }
}
