internal import ArgumentParser
internal import NormGen

/// The options that put a kernel's gradient in the kernel's place, or have the kernel store what its
/// gradient reads.
struct GradientOption: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Take the kernel's gradient: it reads d_Y for each output Y and writes d_X for each input X.")
  )
  var gradient = false

  @Option(
    help: ArgumentHelp(
      "With --gradient: the inputs to differentiate by, by default all.", valueName: "x,gain"))
  var withRespectTo: String?

  @Option(
    help: ArgumentHelp(
      "With --gradient: values that are read instead of being computed again.",
      valueName: "inv_rms,…"))
  var saving: String?

  @Option(
    help: ArgumentHelp(
      "Values that are stored as further outputs, for a gradient with --saving.",
      valueName: "inv_rms,…"))
  var storing: String?

  func validate() throws {
    guard !gradient else {
      if storing != nil {
        throw ValidationError("--storing is for the kernel, --saving for its gradient: give one")
      }
      return
    }
    if withRespectTo != nil { throw ValidationError("--with-respect-to needs --gradient") }
    if saving != nil { throw ValidationError("--saving needs --gradient") }
  }

  /// Whether anything is asked for.
  var isGiven: Bool { gradient || storing != nil }

  /// The kernel, with what it stores, or its gradient.
  func applied(to kernel: SelectedKernel) throws -> SelectedKernel {
    if let storing {
      return SelectedKernel(
        graph: try kernel.graph.storing(names(storing)),
        arguments: kernel.arguments + " --storing \(names(storing).joined(separator: ","))")
    }
    guard gradient else { return kernel }
    let graph = try kernel.graph.gradient(
      withRespectTo: withRespectTo.map(names), saving: saving.map(names) ?? [])
    // Names of inputs and values are identifiers, or there is no gradient.
    var arguments = kernel.arguments + " --gradient"
    if let withRespectTo {
      arguments += " --with-respect-to \(names(withRespectTo).joined(separator: ","))"
    }
    if let saving { arguments += " --saving \(names(saving).joined(separator: ","))" }
    return SelectedKernel(graph: graph, arguments: arguments)
  }

  private func names(_ list: String) -> [String] {
    list.split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
  }
}
