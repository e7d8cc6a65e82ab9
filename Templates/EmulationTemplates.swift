/// The sources of the emulated machines, as file name and text.
///
/// They are compiled together with the kernels under test for every run.
package struct EmulationTemplates: Sendable {
  /// The layout of requests and responses, included by all C sources.
  package static let protocolHeader = File("emulation_protocol.h")
  /// The executor of requests, shared by all machines.
  package static let program = File("emulation_program.c")
  /// The machine that is a static Linux program.
  package static let linux = File("emulation_linux.c")

  /// The machine without an operating system: what its firmware starts.
  package static let bare = File("emulation_bare.c")
  /// How the bare machine's program is laid out in memory.
  package static let bareLayout = File("emulation_bare.ld")
  /// What the bare machine's processor executes first.
  package static let firmware = File("emulation_firmware.S")
  /// How the firmware is laid out in its ROM.
  package static let firmwareLayout = File("emulation_firmware.ld")

  /// A source file of an emulated machine.
  package struct File: Sendable {
    /// The name that other sources include or link it by.
    package let name: String
    /// The text.
    package let text: String

    init(_ name: String) {
      self.name = name
      self.text = TemplateFile("emulation/\(name)").text
    }
  }
}
