internal import Foundation

/// Finds installed programs.
struct EmulationTools {
  private let directories: [String]

  /// The directories of `PATH`.
  static var searchPath: String {
    ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
  }

  init(searching path: String) {
    directories = path.split(separator: ":").map(String.init)
  }

  /// The full path of the first of some alternative programs that is installed.
  func find(
    _ names: [String], for emulator: Emulator, package: String
  ) throws(EmulationError) -> String {
    for name in names {
      for directory in directories {
        let path = directory + "/" + name
        if FileManager.default.isExecutableFile(atPath: path) { return path }
      }
    }
    throw Self.missing(
      emulator, "\(names.joined(separator: " or ")) not found in PATH", package: package)
  }

  static func missing(_ emulator: Emulator, _ what: String, package: String) -> EmulationError {
    .toolMissing(emulator, install: "\(what); install it with: apt-get install \(package)")
  }
}
