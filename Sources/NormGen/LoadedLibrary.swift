import NormGenJIT

/// A shared library that is asked which functions it defines.
package struct LoadedLibrary: Sendable {
  private let library: SharedLibrary

  /// Loads the library at a path for as long as this value lives.
  package init(path: String) throws(CompilerError) {
    do { library = try SharedLibrary(path: path) } catch { throw .jit(error) }
  }

  /// Whether the library defines a function or variable.
  package func defines(_ symbol: String) -> Bool {
    (try? library.address(of: symbol)) != nil
  }
}
