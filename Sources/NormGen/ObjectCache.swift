import NormGenJIT

/// Where compiled objects are kept between processes.
///
/// Entries are found by a hash over the source, the compiler's arguments, version and headers and the
/// processor, and carry a checksum; one that is damaged or can't be linked is compiled again.
public enum ObjectCache: Hashable, Sendable {
  /// `NORMGEN_CACHE` (a directory, or `off`), else `normgen` in `XDG_CACHE_HOME` or `~/.cache`.
  case standard
  /// A directory of the caller's, which is made when needed.
  case directory(String)
  /// Nowhere: every compilation runs the compiler.
  case none

  var kernelCache: KernelCache {
    switch self {
    case .standard: .standard()
    case .directory(let path): KernelCache(directory: path)
    case .none: .disabled
    }
  }
}
