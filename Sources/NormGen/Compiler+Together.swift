import NormGenC
import NormGenJIT

extension Compiler {
  /// Compiles lowered C of several kernels with different names in one run of the compiler, which
  /// costs less than one run for each.
  ///
  /// The objects are not cached.
  ///
  /// - Parameters:
  ///   - lowerings: The kernels, all for the compiler's target, which must run here.
  ///   - edited: Gives C to compile in place of the joined text.
  /// - Returns: The kernels, in order.
  package func compileTogether(
    _ lowerings: [Lowering], edited: (String) -> String = { $0 }
  ) throws(CompilerError) -> [CompiledKernel] {
    guard HostCPU.current.supports(target) else {
      throw .targetNotRunnable(target, HostCPU.current)
    }
    let text: String
    do {
      text = edited(try CEmitter.joined(lowerings.map(\.source), target: target))
    } catch { throw .template(error) }
    let name = "\(lowerings.first?.graph.name ?? "none")_and_\(max(lowerings.count, 1) - 1)_more"
    do {
      let object = try ClangSession.shared().object(
        source: text, fileName: "\(name).c", options: Compiler.options(for: target, optimization))
      if let directory = trace.keepDirectory {
        let keep = KeepDirectory(path: directory)
        try keep.write(text.utf8, name: "\(name).\(target.name).c")
        try keep.write(object, name: "\(name).\(target.name).o")
      }
      let loaded = try LoadedObject(object: object, name: name)
      var kernels: [CompiledKernel] = []
      for lowering in lowerings {
        kernels.append(
          try CompiledKernel(lowering: lowering, object: loaded, cacheStatus: .disabled))
      }
      return kernels
    } catch { throw .jit(error) }
  }
}
