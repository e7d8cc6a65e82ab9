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

  /// The machine without an operating system: what its firmware starts.
  package static let bare = file("emulation_bare.c", PackageResources.emulation_bare_c)
  /// How the bare machine's program is laid out in memory.
  package static let bareLayout = file("emulation_bare.ld", PackageResources.emulation_bare_ld)
  /// What the bare machine's processor executes first.
  package static let firmware = file(
    "emulation_firmware.S", PackageResources.emulation_firmware_S)
  /// How the firmware is laid out in its ROM.
  package static let firmwareLayout = file(
    "emulation_firmware.ld", PackageResources.emulation_firmware_ld)

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
