private import Foundation
public import NormGenSchedule

/// What the processor that runs this code can execute.
public struct HostCPU: Sendable {
  /// The architecture as in LLVM's triples.
  public let architecture: String
  /// The features by their names in `/proc/cpuinfo`.
  public let features: Set<String>

  /// Creates a description.
  public init(architecture: String, features: Set<String>) {
    self.architecture = architecture
    self.features = features
  }

  /// This machine's processor.
  public static let current: HostCPU = {
    #if arch(x86_64)
      let architecture = "x86_64"
    #elseif arch(arm64)
      let architecture = "aarch64"
    #else
      let architecture = "unknown"
    #endif
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { line in
      line.hasPrefix("flags") || line.hasPrefix("Features")
    }
    let features = line?.split(separator: ":").last?.split(separator: " ").map(String.init) ?? []
    return HostCPU(architecture: architecture, features: Set(features))
  }()

  /// The threads that run at once on the processors that this process may use: what to ask for to
  /// use them all.
  public static let threads = ProcessInfo.processInfo.activeProcessorCount

  /// Whether kernels for `target` run here.
  public func supports(_ target: Target) -> Bool {
    if let needed = target.architecture, needed != architecture { return false }
    return target.requiredFeatures.allSatisfy(features.contains)
  }

  /// The most capable target that runs here.
  public var bestTarget: Target {
    Target.all.last { supports($0) } ?? .portable
  }
}
