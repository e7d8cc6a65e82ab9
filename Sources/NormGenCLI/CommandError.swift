package import ArgumentParser
internal import NormGen
package import NormGenFiles

extension ExitCode {
  /// Nothing failed, but of an output nothing could be judged: every element is NaN, or has no bound.
  package static let notJudged = ExitCode(3)

  /// What is printed of the outputs that were not judged.
  static func notJudgedText(_ outputs: [String]) -> String {
    let names = outputs.map { "'\($0)'" }.joined(separator: ", ")
    return "NOT JUDGED: no element of \(names) is a number with a bound, so a mistake could not "
      + "show; check it on other inputs"
  }
}

/// A request that cannot be carried out; the message says where, what was expected and what was
/// found.
package enum CommandError: Error, Hashable, CustomStringConvertible {
  /// No kernel of the catalog has this name.
  case unknownKernel(String, near: [String])
  /// No model has this name.
  case unknownModel(String, known: [String])
  /// No kernel of a file has this name.
  case unknownKernelOfFile(String, file: String, known: [String])
  /// One kernel is needed, and a file holds several.
  case severalKernels(file: String, names: [String])
  /// A choice among a file's kernels without a file.
  case kernelOptionWithoutFile(String)
  /// Two kernels of one place have the same name.
  case duplicateKernel(String, place: String)
  /// None of the named kernels is of a chosen group.
  case noKernelOfGroup(groups: [String], kernels: [String])
  /// A file cannot be read or written.
  case file(path: String, reason: String)
  /// A file that can't be opened or listed as a tensor file could.
  case unusableFile(TensorFileError)
  /// Two files of code that say nothing of what they compute.
  case diffWithoutGraph(String, String)
  /// Code that does not define the functions of one target alone.
  case functionsOfTargets(path: String, kernel: String, expected: [String], found: [String])
  /// The tensors of a call would not fit this machine.
  case memory(action: String, kernel: String, rows: Int)

  package var description: String {
    switch self {
    case .unknownKernel(let name, let near):
      "no kernel is named '\(shown(name))'; " + NearNames.question(near.map { "'\($0)'" })
        + "'\(Registry.current.commandName) list' names all, and a text file's name ends in .ng"
    case .unknownModel(let name, let known):
      "no model is named '\(shown(name))'; known: \(known.joined(separator: ", "))"
    case .unknownKernelOfFile(let name, let file, let known):
      "\(shown(file)): no kernel is named '\(shown(name))'; the file holds \(known.joined(separator: ", "))"
    case .severalKernels(let file, let names):
      "\(shown(file)) holds \(names.count) kernels (\(names.joined(separator: ", "))); "
        + "choose one with --kernel"
    case .kernelOptionWithoutFile(let name):
      "--kernel chooses among the kernels of a text file; '\(shown(name))' is a kernel's name"
    case .duplicateKernel(let name, let place): "\(shown(place)) holds two kernels named '\(name)'"
    case .noKernelOfGroup(let groups, let kernels):
      "--group: expected a kernel of \(groups.joined(separator: " or ")), "
        + "found \(kernels.joined(separator: ", "))"
    case .file(let path, let reason): "\(shown(path)): \(reason)"
    case .unusableFile(let error): "\(error)"
    case .diffWithoutGraph(let first, let second):
      "'\(shown(first))' and '\(shown(second))' are code: name the kernel that they compute with --graph"
    case .functionsOfTargets(let path, let kernel, let expected, let found):
      "\(shown(path)): expected the function "
        + expected.map { "'\(kernel)_\($0)_entry'" }.joined(separator: " or ") + ", found "
        + (found.isEmpty
          ? "none of them"
          : found.map { "'\(kernel)_\($0)_entry'" }.joined(separator: ", ")
            + "; choose a target with @TARGET")
    case .memory(let action, let kernel, let rows):
      "\(action) '\(kernel)' on \(rows) rows takes more memory than this machine can spare"
    }
  }

  /// The beginning of a name that somebody gave, as it may be shown.
  private func shown(_ text: String) -> String { VisibleText.excerpt(text) }
}
