import NormGenJIT
package import NormGenSchedule

/// C that is no kernel, as code in this process: compiled and cached as kernels are.
package final class CompiledSource: Sendable {
  private let object: LoadedObject

  /// Compiles self-contained C for a target that runs here.
  ///
  /// - Parameters:
  ///   - name: What diagnostics call it.
  ///   - functions: What the C must define.
  package init(
    _ text: String, name: String, functions: [String], target: Target, cache: ObjectCache,
    trace: CompilerTrace
  ) throws(CompilerError) {
    guard HostCPU.current.supports(target) else {
      throw .targetNotRunnable(target, HostCPU.current)
    }
    do {
      let (object, status) = try ClangSession.shared().loaded(
        source: text, fileName: "\(name).c", options: Compiler.options(for: target),
        cache: cache.kernelCache
      ) { (cached) throws(JITError) in
        let object = try LoadedObject(object: cached.bytes, name: name)
        // An object that can't be linked shows only when it is asked for something.
        for function in functions { _ = try object.address(of: function) }
        return (object, CompiledKernel.CacheStatus(cached))
      }
      self.object = object
      trace.report(status, of: name)
    } catch { throw .jit(error) }
  }

  /// The address of a function that the C defines.
  package func address(of function: String) throws(CompilerError) -> UnsafeRawPointer {
    do { return try object.address(of: function) } catch { throw .jit(error) }
  }
}
