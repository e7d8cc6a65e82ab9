internal import Foundation

extension KernelCache {
  private struct StoredFile {
    let name: String
    let byteCount: Int
    let lastUse: Int
  }

  /// Removes the entries unused for longest until the rest fits the limit, and unfinished entries
  /// that a process left behind.
  ///
  /// Whatever else lies in the directory stays: only regular files of this user's whose whole name
  /// is one that the cache gives are removed. It runs after one in sixteen compilations, so the
  /// limit may be passed by that much. Failures are left alone: another process may be removing the
  /// same files.
  package func removeOldest() {
    guard let directory, let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    // Files are named relative to the folder that was opened, whatever its path leads to by now.
    let folder = dirfd(stream)
    let staleBefore = time(nil) - Self.unfinishedLifetime
    var entries: [StoredFile] = []
    while let record = readdir(stream) {
      let name = withUnsafeBytes(of: record.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      let isEntry = Self.isEntryName(name[...])
      guard isEntry || finishedName(ofUnfinished: name).map(Self.isEntryName) == true else {
        continue
      }
      var status = stat()
      guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
        status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid()
      else { continue }
      let lastUse = status.st_mtim.tv_sec
      if isEntry {
        entries.append(
          StoredFile(name: name, byteCount: Int(status.st_size), lastUse: lastUse))
      } else if lastUse < staleBefore {
        unlinkat(folder, name, 0)
      }
    }
    var total = entries.reduce(0) { $0 + $1.byteCount }
    guard total > byteLimit else { return }
    for entry in entries.sorted(by: { $0.lastUse < $1.lastUse }) {
      guard total > byteLimit else { return }
      unlinkat(folder, entry.name, 0)
      total -= entry.byteCount
    }
  }

  /// One hour: no write takes as long.
  private static let unfinishedLifetime = 3600
}
