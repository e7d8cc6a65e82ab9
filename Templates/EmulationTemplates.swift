/// The sources of the emulated machines, as file name and text.
///
/// They are compiled together with the kernels under test for every run.
package struct EmulationTemplates: Sendable {
  /// The layout of requests and responses, included by all C sources.
  package static let protocolHeader = file(
    "emulation_protocol.h", PackageResources.emulation_protocol_h)
  /// The executor of requests, shared by all machines.
  package static let program = file("emulation_program.c", PackageResources.emulation_program_c)
  /// The machine that is a static Linux program.
  package static let linux = file("emulation_linux.c", PackageResources.emulation_linux_c)

  /// A source file of an emulated machine.
  package struct File: Sendable {
    /// The name that other sources include or link it by.
    package let name: String
    /// The text.
    package let text: String
  }

  private static func file(_ name: String, _ bytes: [UInt8]) -> File {
    File(name: name, text: String(decoding: bytes, as: UTF8.self))
  }
}
