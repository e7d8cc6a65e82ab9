internal import Foundation

/// The keys of JSON objects. Foundation's decoders keep one value of a repeated key without a word.
enum JSONKeys {
  /// A key that stands twice in one object of a valid JSON text; nil if there is none.
  ///
  /// Keys are compared as `String`s, so that two spellings of one name, with an escape or another
  /// composition of an accent, are the same.
  static func repeated(in text: [UInt8]) -> String? {
    // The keys of each open object; nil for an array.
    var open: [Set<String>?] = []
    var isKeyNext = false
    var position = 0
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "{"):
        open.append([])
        isKeyNext = true
      case UInt8(ascii: "["):
        open.append(nil)
        isKeyNext = false
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        _ = open.popLast()
        isKeyNext = false
      case UInt8(ascii: ","):
        isKeyNext = open.last.map { $0 != nil } ?? false
      case UInt8(ascii: "\""):
        let end = endOfString(in: text, from: position)
        if isKeyNext, let key = string(text[position..<end]), let last = open.indices.last {
          guard open[last]?.insert(key).inserted ?? true else { return key }
          isKeyNext = false
        }
        position = end - 1
      default: break
      }
      position += 1
    }
    return nil
  }

  /// The position after the closing quote of the string that begins at `start`.
  private static func endOfString(in text: [UInt8], from start: Int) -> Int {
    var position = start + 1
    while position < text.count, text[position] != UInt8(ascii: "\"") {
      position += text[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(position + 1, text.count)
  }

  /// The string that a JSON token with its quotes means.
  private static func string(_ token: ArraySlice<UInt8>) -> String? {
    guard token.contains(UInt8(ascii: "\\")) else {
      return String(decoding: token.dropFirst().dropLast(), as: UTF8.self)
    }
    let array = [UInt8(ascii: "[")] + token + [UInt8(ascii: "]")]
    return try? JSONDecoder().decode([String].self, from: Data(array)).first
  }
}
