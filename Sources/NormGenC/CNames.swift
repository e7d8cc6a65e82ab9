import NormGenIR
import NormGenLoops

/// The C names of a kernel's parameters and values: the loops' names, kept apart from everything
/// that the emitted file defines or the language reserves.
struct CNames {
  private let library: SupportLibrary
  private var names: [String: String] = [:]
  private var taken: Set<String>

  /// Names that every emitted file uses itself.
  private static let used: Set<String> = [
    "rows", "all_rows", "row", "next", "first", "tile", "stream", "buffers", "strides", "int64_t",
    "uint16_t",
    "int8_t",
    "uint32_t", "int32_t",
    "uintptr_t", "size_t", "ptrdiff_t", "NULL", "offsetof", "main", "errno", "linux", "unix",
    "i386", "INT64_C",
  ]

  init(
    buffers: [Buffer], symbol: String, library: SupportLibrary, reserved: Set<String> = []
  ) {
    self.library = library
    self.taken = CNames.used.union(library.names).union(reserved)
    taken.formUnion([
      symbol, "\(symbol)_tile", "\(symbol)_entry", "i", "p", "block",
    ])
    taken.formUnion((0..<8).map { "outer\($0)" })
    for buffer in buffers {
      let name = assign(buffer.name)
      // A stride's name must be free too.
      taken.insert(CNames.stride(of: name))
    }
  }

  /// The C name of a loop-level name.
  mutating func callAsFunction(_ name: String) -> String {
    names[name] ?? assign(name)
  }

  @discardableResult
  private mutating func assign(_ name: String) -> String {
    var candidate = name
    while !Identifier.isValid(candidate) || CNames.isHeaderMacro(candidate)
      || taken.contains(candidate) || taken.contains(CNames.stride(of: candidate))
    {
      candidate += "_"
    }
    taken.insert(candidate)
    names[name] = candidate
    return candidate
  }

  /// Whether `<stdint.h>` may define the name as a macro: limits, widths and literals (C11 7.20).
  private static func isHeaderMacro(_ name: String) -> Bool {
    ["_MAX", "_MIN", "_WIDTH", "_C"].contains { name.hasSuffix($0) }
      && name.utf8.allSatisfy { !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
  }

  /// The name of the row stride of a parameter.
  static func stride(of parameter: String) -> String { "\(parameter)_stride" }
}
