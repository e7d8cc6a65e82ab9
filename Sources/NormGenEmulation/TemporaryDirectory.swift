internal import Foundation

/// A directory of its own, removed with its contents when the value goes out of scope.
struct TemporaryDirectory: ~Copyable {
  let url: URL

  init() throws(EmulationError) {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("normgen-emulation-\(UUID().uuidString)", isDirectory: true)
    do {
      try FileManager.default.createDirectory(
        at: url, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    } catch {
      throw .fileFailed(action: "create \(url.path)", reason: "\(error)")
    }
  }

  deinit {
    // Nobody is left to tell; the system's temporary directory is cleaned anyway.
    try? FileManager.default.removeItem(at: url)
  }

  borrowing func path(_ name: String) -> String { url.appendingPathComponent(name).path }

  borrowing func write(_ text: String, to name: String) throws(EmulationError) {
    try write(Data(text.utf8), to: name)
  }

  borrowing func write(_ data: Data, to name: String) throws(EmulationError) {
    do {
      try data.write(to: url.appendingPathComponent(name))
    } catch {
      throw .fileFailed(action: "write \(name)", reason: "\(error)")
    }
  }

  /// The bytes of a file from an offset on, at most `limit` of them.
  borrowing func read(
    _ name: String, from offset: Int = 0, limit: Int
  ) throws(EmulationError) -> [UInt8] {
    do {
      let file = try FileHandle(forReadingFrom: url.appendingPathComponent(name))
      defer { try? file.close() }
      try file.seek(toOffset: UInt64(offset))
      return [UInt8](try file.read(upToCount: limit) ?? Data())
    } catch {
      throw .fileFailed(action: "read \(name)", reason: "\(error)")
    }
  }
}
