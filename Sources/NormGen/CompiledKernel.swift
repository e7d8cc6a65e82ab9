import NormGenIR
public import NormGenLoops
import NormGenJIT

/// A kernel as code in this process.
///
/// Calls from several threads are safe as long as their outputs do not overlap.
public final class CompiledKernel: Sendable {
  /// The stages that led to the code.
  public let lowering: Lowering
  /// The parameters: inputs, then outputs. Every call reads them.
  public let parameters: [Buffer]
  /// Whether the code came from the disk cache.
  public let cacheStatus: CacheStatus
  private let object: any LoadedCode
  /// The functions in memory.
  let code: KernelCode

  /// What the disk cache did for a kernel.
  public enum CacheStatus: Sendable, Hashable {
    /// It held the object.
    case hit
    /// The object was compiled, and stored unless a reason says why not: a directory that cannot be
    /// written, or C that includes headers other than the compiler's own.
    case compiled(notStored: String?)
    /// The entry could not be used and was compiled anew; the damage is told after "the entry".
    case rebuilt(damage: String)
    /// The cache is switched off.
    case disabled
    /// The code was not compiled here but loaded from a shared library.
    case loaded

    init(_ cached: CachedObject) {
      switch cached.status {
      case .hit: self = .hit
      case .miss: self = .compiled(notStored: cached.storeFailure)
      case .rebuilt(let defect): self = .rebuilt(damage: defect.description)
      case .disabled: self = .disabled
      }
    }
  }

  init(
    lowering: Lowering, object: any LoadedCode, cacheStatus: CacheStatus
  ) throws(JITError) {
    self.lowering = lowering
    self.parameters = lowering.parameters
    self.object = object
    self.cacheStatus = cacheStatus
    self.code = try KernelCode(lowering, object)
  }

  /// The kernel's name.
  public var name: String { lowering.graph.name }
}
