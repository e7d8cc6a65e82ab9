/// The names that may reach emitted C.
public enum Identifier {
  /// The longest name accepted, so that no C compiler's limit is met.
  public static let longest = 200

  /// Whether `name` is a C identifier and no keyword of C11, C23 or C++.
  public static func isValid(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard let first = bytes.first, bytes.count <= longest, isLetter(first) else { return false }
    guard bytes.allSatisfy({ isLetter($0) || isDigit($0) }) else { return false }
    // Names with two leading underscores, or one and a capital, belong to the compiler.
    if bytes.count >= 2, first == UInt8(ascii: "_"),
      bytes[1] == UInt8(ascii: "_") || isCapital(bytes[1])
    {
      return false
    }
    return !keywords.contains(name)
  }

  static func isLetter(_ byte: UInt8) -> Bool {
    isCapital(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || byte == UInt8(ascii: "_")
  }

  static func isCapital(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }

  static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  /// Keywords of C11, C23 and C++ (the headers are usable from C++), and `asm`, `typeof`.
  public static let keywords: Set<String> = [
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break",
    "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class", "compl", "concept",
    "const",
    "const_cast", "consteval", "constexpr", "constinit", "continue", "contract_assert", "co_await",
    "co_return", "co_yield", "decltype",
    "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export",
    "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
    "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq",
    "private", "protected", "public", "register", "reinterpret_cast", "requires", "restrict",
    "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct",
    "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid",
    "typename", "typeof", "typeof_unqual", "union", "unsigned", "using", "virtual", "void",
    "volatile", "wchar_t", "while", "xor", "xor_eq",
  ]
}
