/// The regions of this folder's Swift files that articles show: from `// example: NAME` to `// end`.
struct CompiledExamples {
  /// The text of each region by its name, without the indentation of its first marker.
  private(set) var regions: [String: String] = [:]
  /// Regions that cannot be used.
  private(set) var problems: [String] = []

  /// The regions of the Swift files below `Tests/DocumentationTests/Examples`.
  static func ofThisFolder() throws -> CompiledExamples {
    var examples = CompiledExamples()
    for path in try Repository.files(below: "Tests/DocumentationTests/Examples", suffix: ".swift") {
      examples.add(try Repository.text(path), file: path)
    }
    return examples
  }

  /// Takes the regions of a file.
  mutating func add(_ text: String, file: String) {
    var open: (name: String, indentation: Int, lines: [String])?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let content = line.drop { $0 == " " }
      if content.hasPrefix("// example: ") {
        if let open { problems.append("\(file): '\(open.name)' has no end") }
        let name = String(content.dropFirst("// example: ".count))
        open = (name, line.count - content.count, [])
      } else if content == "// end", let region = open {
        if regions.updateValue(region.lines.joined(separator: "\n"), forKey: region.name) != nil {
          problems.append("\(file): two examples are named '\(region.name)'")
        }
        open = nil
      } else if let region = open {
        let isIndented = line.prefix(region.indentation).allSatisfy { $0 == " " }
        open?.lines.append(String(isIndented ? line.dropFirst(region.indentation) : line))
      }
    }
    if let open { problems.append("\(file): '\(open.name)' has no end") }
  }

  /// What is wrong with the Swift blocks of articles: each must be a region, each region a block.
  func problems(in articles: [Article]) -> [String] {
    var problems = problems
    var shown: Set<String> = []
    for block in articles.flatMap(\.blocks) where block.language == "swift" {
      guard let compiled = regions[block.name] else {
        problems.append("\(block.place): no compiled example is named '\(block.name)'")
        continue
      }
      shown.insert(block.name)
      if compiled != block.text {
        let lines = compiled.split(separator: "\n", omittingEmptySubsequences: false)
          .map(String.init)
        let pairs = zip(lines + ["(the end)"], block.lines + ["(the end)"])
        let first = pairs.first { $0.0 != $0.1 }
        problems.append(
          "\(block.place): '\(block.name)' differs from what is compiled: "
            + "'\(first?.1 ?? "")' is '\(first?.0 ?? "")'")
      }
    }
    for name in regions.keys.sorted() where !shown.contains(name) {
      problems.append("no article shows the example '\(name)'")
    }
    return problems
  }
}
