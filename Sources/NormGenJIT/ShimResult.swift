internal import CNormGenClang

/// A result of the C shim, copied out of it.
struct ShimResult {
  let status: ngclang_status
  let output: [UInt8]
  let message: String

  /// Takes the result over and disposes of it.
  init(consuming result: OpaquePointer) {
    defer { ngclang_result_dispose(result) }
    status = ngclang_result_status(result)
    output = Self.bytes(ngclang_result_output(result))
    message = String(decoding: Self.bytes(ngclang_result_message(result)), as: UTF8.self)
  }

  private static func bytes(_ slice: ngclang_bytes) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: slice.start, count: slice.count))
  }

  var text: String { String(decoding: output, as: UTF8.self) }

  /// Throws unless the call succeeded; `subject` is the file or object that it was about.
  func check(operation: String, subject: String) throws(JITError) {
    switch status {
    case NGCLANG_OK:
      return
    case NGCLANG_LLVM_MISSING:
      throw .llvmMissing(instructions: message)
    case NGCLANG_LLVM_UNSUPPORTED:
      throw .unsupportedLLVM(reason: message)
    case NGCLANG_ARGUMENTS:
      throw .unsupportedArgument(subject, reason: message)
    case NGCLANG_COMPILATION:
      throw .compilation(file: subject, diagnostics: message)
    case NGCLANG_MISSING_SYMBOL:
      let names = message.split(separator: "\n").map(String.init)
      throw .missingSymbol(names: names, object: subject)
    case NGCLANG_LINK:
      throw .link(object: subject, reason: message)
    default:
      throw .internalFailure(operation: operation, reason: message)
    }
  }
}

/// Calls `body` with the strings as C strings, which live until it returns, and their number.
func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>>, Int) -> Result
) -> Result {
  var characters: [CChar] = []
  var offsets: [Int] = []
  for string in strings {
    offsets.append(characters.count)
    characters.append(contentsOf: string.utf8.lazy.map(CChar.init(bitPattern:)))
    characters.append(0)
  }
  // One more than asked for, so that neither array is empty and both have an address.
  offsets.append(characters.count)
  characters.append(0)
  return withPointer(to: characters) { text in
    withPointer(to: offsets.map { text + $0 }) { body($0, strings.count) }
  }
}

/// Calls `body` with the address of an array that is converted as C arguments are.
private func withPointer<Element, Result>(
  to array: [Element], _ body: (UnsafePointer<Element>) -> Result
) -> Result {
  body(array)
}
