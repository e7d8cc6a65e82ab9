import NormGenLoops

/// The names that a kernel's own must differ from beside those of its file: what emitted functions call
/// their parameters and locals wherever they have them, and what C, its headers and its compilers define.
///
/// Keywords are refused in kernels; see `Identifier`. The definitions of the templates, the functions of
/// a program and the indices of a kernel's loops are read from them.
enum CReserved {
  /// What functions that name a kernel's values call their own.
  static let locals: Set<String> = [
    "rows", "all_rows", "first", "tile", "stream", "buffers", "strides",
  ]

  /// What `<stdint.h>`, `<stddef.h>` and compilers define without an underscore in front.
  private static let defined: Set<String> = [
    "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t",
    "intptr_t", "uintptr_t", "intmax_t", "uintmax_t", "size_t", "ptrdiff_t", "max_align_t",
    "nullptr_t", "NULL", "offsetof", "unreachable", "main", "errno",
    // Macros of GNU's C for some systems and processors.
    "linux", "unix", "i386", "sun", "sparc", "mips", "mc68000", "m68k", "vax", "hppa", "sgi", "sh",
    "MIPSEB", "MIPSEL", "PPC", "AVR", "MSP430", "WIN32", "WIN64", "WINNT",
    // Apple's.
    "TARGET_CPU_ARM64", "TARGET_CPU_X86_64", "TARGET_IPHONE_SIMULATOR", "TARGET_OS_DRIVERKIT",
    "TARGET_OS_EMBEDDED", "TARGET_OS_IOS", "TARGET_OS_IPHONE", "TARGET_OS_LINUX", "TARGET_OS_MAC",
    "TARGET_OS_MACCATALYST", "TARGET_OS_NANO", "TARGET_OS_OSX", "TARGET_OS_SIMULATOR",
    "TARGET_OS_TV", "TARGET_OS_UEFI", "TARGET_OS_UIKITFORMAC", "TARGET_OS_UNIX",
    "TARGET_OS_VISION", "TARGET_OS_WATCH", "TARGET_OS_WIN32", "TARGET_OS_WINDOWS",
  ]

  /// Whether the name is in the table, for functions of any kernel.
  ///
  /// Of a name and all longer ones that begin with it, only finitely many are.
  static func contains(_ name: String) -> Bool {
    locals.contains(name) || defined.contains(name) || isHeaderMacro(name)
  }

  /// The guard of a kernel's header.
  static func headerGuard(of symbol: String) -> String { "NORMGEN_\(symbol)_H" }

  /// A kernel's functions, and its guard.
  static func functions(of symbol: String, packing weights: [String]) -> Set<String> {
    Set(
      ["", "_tile", "_entry", "_part", "_phases", "_scratch_bytes"].map { symbol + $0 }
        + weights.flatMap {
          ["\(symbol)_pack_\($0)", "\(symbol)_entry_pack_\($0)", "\(symbol)_packed_elements_\($0)"]
        }
        + [headerGuard(of: symbol)])
  }

  /// Whether `<stdint.h>` may define the name as a macro: limits, widths and literals (C11 7.20).
  private static func isHeaderMacro(_ name: String) -> Bool {
    ["_MAX", "_MIN", "_WIDTH", "_C"].contains { name.hasSuffix($0) }
      && name.utf8.allSatisfy { !(UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
  }
}
