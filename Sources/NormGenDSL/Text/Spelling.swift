import NormGenIR

/// Names that someone may have meant.
enum Spelling {
  /// The end of an error about a name: `; did you mean 'x'? Known: …`, or `; known: …` if none is
  /// near.
  static func guess(_ name: String, among names: [String], _ lead: String = "known: ") -> String {
    guard !names.isEmpty else { return "" }
    let most = 48
    let more = names.count > most ? " and \(names.count - most) more" : ""
    let list = names.prefix(most).joined(separator: ", ") + more
    guard let nearest = nearest(to: name, among: names) else { return "; \(lead)\(list)" }
    return "; did you mean '\(nearest)'? \(lead.prefix(1).uppercased())\(lead.dropFirst())\(list)"
  }

  /// The name that begins with `name` or has the fewest other letters, a third of them at most.
  static func nearest(to name: String, among names: [String]) -> String? {
    if name.count > 1, let longer = names.first(where: { $0.hasPrefix(name) }) { return longer }
    let most = name.count / 3
    return names.filter { abs($0.count - name.count) <= most }
      .map { (name: $0, distance: NearNames.distance(name, $0)) }
      .filter { $0.distance <= most }.min { $0.distance < $1.distance }?.name
  }
}
