#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A shared library that is loaded into this process for as long as this value lives.
///
/// Loading runs what the library runs when it is loaded.
package final class SharedLibrary: LoadedCode {
  /// The path as it was given.
  package let name: String
  // The dynamic linker's functions may be called from any thread.
  nonisolated(unsafe) private let handle: UnsafeMutableRawPointer

  /// Loads the library at a path; its own names stay invisible to the rest of the process.
  ///
  /// - Throws: ``JITError/library(path:reason:)`` with what the dynamic linker says.
  package init(path: String) throws(JITError) {
    guard !path.utf8.contains(0) else {
      throw .library(path: path, reason: "a path holds no zero byte")
    }
    // A name without a slash would be searched for among the system's libraries.
    let place = path.contains("/") ? path : "./\(path)"
    guard let handle = dlopen(place, RTLD_NOW | RTLD_LOCAL) else {
      throw .library(path: path, reason: SharedLibrary.lastError())
    }
    self.name = path
    self.handle = handle
  }

  deinit { dlclose(handle) }

  package func address(of symbol: String) throws(JITError) -> UnsafeRawPointer {
    guard let address = dlsym(handle, symbol) else {
      throw .missingSymbol(names: [symbol], object: name)
    }
    return UnsafeRawPointer(address)
  }

  private static func lastError() -> String {
    dlerror().map { String(cString: $0) } ?? "no reason was given"
  }
}
