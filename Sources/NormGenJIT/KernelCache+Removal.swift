internal import Foundation

extension KernelCache {
  private struct StoredFile {
    let path: String
    let byteCount: Int
    let lastUse: Int
  }

  /// Removes the entries unused for longest until the rest fits the limit, and unfinished files
  /// that a process left behind.
  ///
  /// It runs after one in sixteen compilations, so the limit may be passed by that much. Failures
  /// are left alone: another process may be removing the same files.
  package func removeOldest() {
    guard let directory, let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    let staleBefore = time(nil) - Self.unfinishedLifetime
    var entries: [StoredFile] = []
    while let record = readdir(stream) {
      let name = withUnsafeBytes(of: record.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasSuffix(Self.entrySuffix) || name.hasSuffix(temporarySuffix) else { continue }
      let path = directory + "/" + name
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      let lastUse = status.st_mtim.tv_sec
      if name.hasSuffix(temporarySuffix) {
        if lastUse < staleBefore { unlink(path) }
      } else {
        entries.append(
          StoredFile(path: path, byteCount: Int(status.st_size), lastUse: lastUse))
      }
    }
    var total = entries.reduce(0) { $0 + $1.byteCount }
    guard total > byteLimit else { return }
    for entry in entries.sorted(by: { $0.lastUse < $1.lastUse }) {
      guard total > byteLimit else { return }
      unlink(entry.path)
      total -= entry.byteCount
    }
  }

  /// One hour: no write takes as long.
  private static let unfinishedLifetime = 3600
}
