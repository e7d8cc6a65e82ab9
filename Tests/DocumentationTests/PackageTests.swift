import Foundation
import Testing

/// What depends on what, as `Package.swift` says it.
@Suite struct PackageTests {
  private let dependencies: [String: Set<String>]

  init() throws {
    let text = try Repository.text("Package.swift")
    let facade = try #require(text.firstMatch(of: /let facade: \[[^\]]*\] = (\[[^\]]*\])/)).1
    var dependencies: [String: Set<String>] = [:]
    for target in text.split(separator: /\.(?:executableT|testT|t)arget\(/).dropFirst() {
      let list = target.firstMatch(
        of: /name:\s"(\w+)",[^\[]*?dependencies:\s*(facade)?[^\[]*(?:(\[[^\]]*\])|swiftSettings)/)
      let name = try #require(list?.1 ?? target.firstMatch(of: /name:\s"(\w+)"/)?.1)
      let own = (list?.3).map(String.init) ?? ""
      let all = own + (list?.2 == nil ? "" : String(facade))
      dependencies[String(name)] = Set(all.matches(of: /"(C?NormGen\w*)"/).map { String($0.1) })
    }
    self.dependencies = dependencies
  }

  /// A template that nobody embeds is one that no kernel can use.
  @Test(arguments: ["simd", "math", "files", "measure", "emulation"])
  func everyTemplateIsEmbedded(folder: String) throws {
    let text = try Repository.text("Sources/CNormGenTemplates/templates.c")
    let directory = Repository.root.appendingPathComponent("Templates/\(folder)")
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    #expect(!names.isEmpty)
    for name in names {
      #expect(text.contains("#embed \"../../Templates/\(folder)/\(name)\"\n"), "\(name)")
      #expect(text.contains("/\(name)\", "), "\(name)")
    }
  }

  /// Everything that a package builds which uses some targets.
  private func built(for targets: Set<String>) -> Set<String> {
    var found = targets
    var open = Array(targets)
    while let target = open.popLast() {
      for next in dependencies[target] ?? [] where found.insert(next).inserted { open.append(next) }
    }
    return found
  }

  @Test func theLibraryAndItsToolAreBuiltWithoutFuzzerPaperAndPlots() {
    let light = built(for: ["NormGen", "NormGenCLI"])
    #expect(light.isSuperset(of: ["NormGenIR", "NormGenDSL", "NormGenC", "NormGenCheck"]))
    let heavy: Set = ["NormGenFuzz", "NormGenMeasure", "NormGenPaper", "NormGenPlots"]
    #expect(light.isDisjoint(with: heavy))
    #expect(built(for: ["NormGenTool"]).isSuperset(of: heavy))
    // One command does not bring another one's modules.
    #expect(built(for: ["NormGenFuzzCommand"]).intersection(heavy) == ["NormGenFuzz"])
    #expect(
      built(for: ["NormGenBenchCommands"]).intersection(heavy) == [
        "NormGenMeasure", "NormGenPlots",
      ])
  }

  /// SwiftPM finds modules that were built before, too.
  @Test func sourcesImportWhatTheirTargetDependsOn() throws {
    var count = 0
    for path in try Repository.files(below: "Sources", suffix: ".swift") {
      let target = String(path.split(separator: "/")[1])
      let known = try #require(dependencies[target], "\(target) is no target")
      for match in try Repository.text(path).matches(of: /(?m)^[a-z ]*import (C?NormGen\w*)$/) {
        #expect(known.contains(String(match.1)), "\(path): \(match.1)")
        count += 1
      }
    }
    #expect(count > 300)
  }

  @Test func everyModuleStandsInTheArchitecturesTable() throws {
    let article = try Repository.article("Architecture").prose
    for target in dependencies.keys where !target.hasSuffix("Tests") {
      let isDescribed = article.contains("`\(target)`") || target == "NormGenTestSupport"
      #expect(isDescribed, "\(target)")
    }
    for match in article.matches(of: /(?m)^\| `(NormGen\w*)` \|/) {
      #expect(dependencies[String(match.1)] != nil, "\(match.1)")
    }
  }
}
