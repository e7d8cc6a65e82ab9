import NormGenJIT
package import NormGenSchedule

/// C that is no kernel, as code in this process: compiled and cached as kernels are.
package final class CompiledSource: Sendable {
  private let object: LoadedObject

  /// Compiles self-contained C for a target that runs here.
  ///
  /// - Parameter name: What diagnostics call it.
  package init(
    _ text: String, name: String, target: Target, cache: ObjectCache
  ) throws(CompilerError) {
    guard HostCPU.current.supports(target) else {
      throw .targetNotRunnable(target, HostCPU.current)
    }
    let options = Compiler.options(for: target)
    do {
      let session = try ClangSession.shared()
      let key = try KernelCache.Key(
        source: text, fileName: "\(name).c", options: options, session: session)
      let cached = try cache.kernelCache.object(for: key) { () throws(JITError) in
        try session.object(source: text, fileName: "\(name).c", options: options)
      }
      object = try LoadedObject(object: cached.bytes, name: name)
    } catch { throw .jit(error) }
  }

  /// The address of a function that the C defines.
  package func address(of function: String) throws(CompilerError) -> UnsafeRawPointer {
    do { return try object.address(of: function) } catch { throw .jit(error) }
  }
}
