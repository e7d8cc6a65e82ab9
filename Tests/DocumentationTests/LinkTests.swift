import Foundation
import NormGen
import Testing

/// Articles refer to what exists.
@Suite struct LinkTests {
  private let articles: [Article]

  init() throws { articles = try Repository.articles() }

  @Test func linkedArticlesAndFilesExist() {
    var count = 0
    for article in articles {
      for match in article.prose.matches(of: /<doc:([A-Za-z-]+)>/) {
        let path = "Sources/NormGen/NormGen.docc/\(match.1).md"
        #expect(Repository.exists(path), "\(article.path): <doc:\(match.1)>")
        count += 1
      }
      let folder = article.path.split(separator: "/").dropLast().joined(separator: "/")
      for match in article.prose.matches(of: /\]\(([^)#]+)[^)]*\)/)
      where !match.1.hasPrefix("http") {
        let path = folder.isEmpty ? String(match.1) : "\(folder)/\(match.1)"
        #expect(Repository.exists(path), "\(article.path): (\(match.1))")
        count += 1
      }
    }
    #expect(count > 20)
  }

  @Test func everyArticleIsInTheTopics() throws {
    let topics = try Repository.article("NormGen").prose
    for article in articles where article.path.contains(".docc/") {
      let name = article.path.split(separator: "/").last?.dropLast(3) ?? ""
      if name == "NormGen" { continue }
      #expect(topics.contains("<doc:\(name)>"), "\(name)")
    }
  }

  /// Links reach the module NormGen; what it exports from others stands as code.
  @Test func linkedSymbolsAreDeclared() throws {
    let facade = try Repository.files(below: "Sources/NormGen", suffix: ".swift")
      .map(Repository.text).joined()
    for article in articles {
      for match in article.prose.matches(of: /``([^`]+)``/) where match.1 != "NormGen" {
        let names = match.1.split(separator: "(")[0].split(separator: "/").map(String.init)
        let isType = facade.contains(try Regex("(struct|class|enum) \\b\(names[0])\\b"))
        let isComplete = try names.allSatisfy { facade.contains(try Regex("\\b\($0)\\b")) }
        #expect(isType && isComplete, "\(article.path): ``\(match.1)``")
      }
    }
  }

  @Test func typesAndMembersExist() throws {
    let checks = ["Tests/TemplateTests/check.py", "Tests/GeneratedTests/check.py", "Package.swift"]
    let support = try Repository.files(below: "Tests/NormGenTestSupport", suffix: ".swift")
    let suites = try Repository.files(below: "Tests", suffix: "Tests.swift")
    let text =
      try (checks + support + suites).map(Repository.text).joined() + Repository.swiftSources()
    let words = Set(text.matches(of: /[A-Za-z0-9]+/).map { String($0.0) })
    var count = 0
    for article in articles {
      for match in article.prose.matches(of: /[^`]`([A-Z][A-Za-z0-9]+)((?:\.[a-z][A-Za-z]+)*)[`(]/)
      {
        let names = [String(match.1)] + match.2.split(separator: ".").map(String.init)
        let unknown = names.filter { !words.contains($0) && !Self.otherNames.contains($0) }
        #expect(unknown.isEmpty, "\(article.path): \(match.1)\(match.2)")
        count += 1
      }
    }
    #expect(count > 100)
  }

  /// Every gate of the contract is there: the suite, and in it the test that a defect fails.
  @Test func gatesOfTheContractExist() throws {
    let files = try Repository.files(below: "Tests", suffix: ".swift").map(Repository.text)
    var count = 0
    for match in try Repository.article("Proof").prose
      .matches(of: /`([A-Za-z0-9]+Tests)(?:\.([a-z][A-Za-z0-9]+))?`/)
    {
      let suite = try Regex("struct \(match.1)\\b")
      let declared = files.filter { $0.contains(suite) }
      #expect(!declared.isEmpty, "no suite is called \(match.1)")
      if let test = match.2 {
        #expect(declared.contains { $0.contains("func \(test)(") }, "\(match.1).\(test)")
      }
      count += 1
    }
    #expect(count > 40)
  }

  /// Names that other programs give meaning to.
  private static let otherNames: Set<String> = [
    "CI", "HOME", "XDG", "PATH", "NORMGEN", "NAME", "FILE", "Makefile", "Type", "CONTRIBUTING",
    "md",
  ]

  @Test func pathsExist() {
    let roots = [
      "Sources", "Templates", "Tests", "Benchmarks", "Support", "Examples", "Generated", ".ci",
    ]
    for article in articles {
      for match in article.prose.matches(of: /`([A-Za-z.]+\/[^` ]*)`/) {
        guard let root = match.1.split(separator: "/").first, roots.contains(String(root)),
          !match.1.contains(where: { "<*{".contains($0) })
        else { continue }
        #expect(Repository.exists(String(match.1)), "\(article.path): \(match.1)")
      }
    }
  }

  @Test func environmentVariablesAreReadAndDescribed() throws {
    let pattern = /NORMGEN_[A-Z]+(?:_[A-Z]+)*/
    let swift = try Repository.swiftSources()
    let settings = try ["Package.swift", "Makefile", "Support/setup.sh"].map(Repository.text)
      .joined()
    let tests = try Repository.files(below: "Tests", suffix: ".swift")
      .filter { !$0.contains("DocumentationTests") }.map(Repository.text).joined()
    let read = Set((swift + settings + tests).matches(of: pattern).map { String($0.0) })
    var described: Set<String> = []
    for article in articles {
      for match in article.lines.joined(separator: "\n").matches(of: pattern) {
        described.insert(String(match.0))
        #expect(read.contains(String(match.0)), "\(article.path): nothing reads \(match.0)")
      }
    }
    for match in swift.matches(of: pattern) {
      #expect(described.contains(String(match.0)), "no article describes \(match.0)")
    }
  }
}
