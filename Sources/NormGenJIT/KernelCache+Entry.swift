// An entry: 8 bytes of magic, 32 of key, 8 of length (big-endian), 32 of checksum, the object.
extension KernelCache {
  /// The last byte is the version of the format.
  static let magic: [UInt8] = Array("NGOBJ\0\0".utf8) + [1]
  static let headerByteCount = 80
  static let entrySuffix = ".ngobj"

  /// The name of an entry's file: 64 hexadecimal digits and the suffix.
  static func entryName(of key: Key) -> String { key.description + entrySuffix }

  /// Whether a file's name is one that the cache gives to entries.
  static func isEntryName(_ name: Substring) -> Bool {
    name.hasSuffix(entrySuffix)
      && isKey(name.utf8.dropLast(entrySuffix.utf8.count))
  }

  private static func isKey(_ name: Substring.UTF8View) -> Bool {
    name.count == 64
      && name.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }

  /// Kernels take kilobytes; what is larger than this was not written here.
  static let objectByteLimit = 64 << 20

  /// What a look into the directory found.
  enum Finding: Hashable {
    case object([UInt8])
    case absent
    case defective(Defect)
  }

  static func encoded(_ object: [UInt8], key: Key) -> [UInt8] {
    magic + key.digest + bigEndianBytes(of: UInt64(object.count)) + SHA256.digest(of: object)
      + object
  }

  static func decoded(_ entry: [UInt8], key: Key) -> Finding {
    // What there is of the header is judged first: a file of another kind is not "truncated".
    guard entry.prefix(magic.count).elementsEqual(magic.prefix(entry.count)) else {
      return .defective(.notAnEntry)
    }
    guard entry.count >= headerByteCount else { return .defective(.truncated) }
    guard entry[8..<40].elementsEqual(key.digest) else { return .defective(.wrongKey) }
    let byteCount = entry[40..<48].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    let present = UInt64(entry.count - headerByteCount)
    guard present >= byteCount else { return .defective(.truncated) }
    guard present <= byteCount else { return .defective(.overlong) }
    let object = Array(entry[headerByteCount...])
    guard SHA256.digest(of: object).elementsEqual(entry[48..<80]) else {
      return .defective(.wrongChecksum)
    }
    return .object(object)
  }

  static func load(_ path: String, key: Key) -> Finding {
    do throws(FileFailure) {
      let limit = headerByteCount + objectByteLimit
      return decoded(try readOwnFile(path, byteLimit: limit), key: key)
    } catch {
      switch error {
      case .absent: return .absent
      case .untrusted, .foreign: return .defective(.untrusted)
      case .overlong: return .defective(.overlong)
      case .system: return .defective(.unreadable(error.description))
      }
    }
  }
}
