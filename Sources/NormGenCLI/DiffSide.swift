internal import Foundation
internal import NormGen
internal import NormGenCheck

/// A kernel to compare as it is written on the command line: `WHAT` or `WHAT@TARGET`.
///
/// `WHAT` is a kernel of the catalog, `FILE.ng` or `FILE.ng:KERNEL`, C in `FILE.c`, or a shared library
/// `FILE.so`.
struct DiffSide {
  /// What is compared.
  enum Kind {
    /// A kernel of the catalog or of a text file.
    case kernel(String, ofFile: String?)
    /// C that defines an emitted kernel's functions.
    case source(path: String)
    /// A shared library that defines them.
    case library(path: String)
  }

  let kind: Kind
  /// The target behind the `@`.
  let target: String?

  init(_ text: String) {
    var what = text[...]
    var target: String?
    if let at = text.lastIndex(of: "@") {
      let behind = text[text.index(after: at)...]
      if !behind.contains(where: { "/.:".contains($0) }) {
        target = String(behind)
        what = text[..<at]
      }
    }
    self.target = target
    if what.hasSuffix(".c") {
      kind = .source(path: String(what))
    } else if what.hasSuffix(".so") {
      kind = .library(path: String(what))
    } else if let end = what.range(of: ".ng:", options: .backwards) {
      kind = .kernel(
        what[..<end.lowerBound] + ".ng", ofFile: String(what[end.upperBound...]))
    } else {
      kind = .kernel(String(what), ofFile: nil)
    }
  }

  /// The kernel that is named; nil for C and libraries, which have only functions.
  func kernel(kernelOfFile: String?, _ gradient: GradientOption) throws -> SelectedKernel? {
    guard case .kernel(let name, let own) = kind else { return nil }
    let kernels = try SelectedKernel.named(
      name, kernelOfFile: own ?? (SelectedKernel.isFile(name) ? kernelOfFile : nil))
    guard let only = kernels.first, kernels.count == 1 else {
      throw CommandError.severalKernels(file: name, names: kernels.map(\.graph.name))
    }
    return try gradient.applied(to: only)
  }

  /// The targets whose functions of a kernel the C or the library defines; nil for other kernels.
  func definedTargets(of kernel: String) throws -> [Target]? {
    switch kind {
    case .kernel: return nil
    case .source(let path):
      let text = try TextFile.text(at: path)
      return Target.all.filter { text.contains("\(kernel)_\($0.name)_entry(") }
    case .library(let path):
      do {
        let library = try LoadedLibrary(path: path)
        return Target.all.filter { library.defines("\(kernel)_\($0.name)_entry") }
      } catch { throw CommandError.file(path: path, reason: "\(error)") }
    }
  }

  /// The kernel's code for the compiler's target.
  func compared(_ graph: Graph, _ compiler: Compiler) throws -> ComparedKernel {
    let lowering = try compiler.lower(graph)
    switch kind {
    case .kernel: return try ComparedKernel(lowering, compiler: compiler)
    case .source(let path):
      let text = try TextFile.text(at: path)
      do {
        return try ComparedKernel(lowering, source: text, compiler: compiler)
      } catch { throw CommandError.file(path: path, reason: "\(error)") }
    case .library(let path):
      do {
        return try ComparedKernel(lowering, library: path, compiler: compiler)
      } catch { throw CommandError.file(path: path, reason: "\(error)") }
    }
  }

  /// The file, or the kernel's name.
  var path: String {
    switch kind {
    case .kernel(let path, _), .source(let path), .library(let path): path
    }
  }

  /// Such as `first_norm of two.ng on avx2`.
  func description(_ kernel: ComparedKernel) -> String {
    let name = kernel.graph.name
    let what =
      switch kind {
      case .kernel(let place, _): place == name ? name : "\(name) of \(place)"
      case .source(let path), .library(let path): "\(name) of \(path)"
      }
    let target = "\(what) on \(kernel.lowering.target)"
    guard case .emulated(let machine) = kernel.machine else { return target }
    return "\(target), emulated by \(machine)"
  }
}
