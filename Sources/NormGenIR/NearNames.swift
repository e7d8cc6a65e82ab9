/// Finds the names that a mistyped one may stand for.
package enum NearNames {
  /// The names within a few edits of `name`, the nearest first; at most three.
  package static func of(_ name: String, among known: [String]) -> [String] {
    // Nobody means a name by one that is many times as long.
    guard name.utf8.count <= 400 else { return [] }
    let length = name.count
    // Some letter stays as it is.
    let limit = min(max(2, length / 4), length - 1)
    // A file may hold more names than anybody waits for.
    let ranked = known.prefix(10_000).filter { abs($0.count - length) <= limit }
      .map { (distance: distance(name, $0), name: $0) }
      .filter { $0.distance <= limit }
      .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
    return ranked.prefix(3).map(\.name)
  }

  /// What an error asks about names that may be meant, quoted already: `did you mean 'x' or 'y'? `, or
  /// nothing without any.
  package static func question(_ quoted: [String]) -> String {
    quoted.isEmpty ? "" : "did you mean \(quoted.joined(separator: " or "))? "
  }

  /// The number of insertions, deletions and replacements that lead from one to the other.
  package static func distance(_ left: String, _ right: String) -> Int {
    let right = Array(right)
    var row = Array(0...right.count)
    for (line, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = line + 1
      for (column, other) in right.enumerated() {
        let replaced = diagonal + (character == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
      }
    }
    return row[right.count]
  }
}
