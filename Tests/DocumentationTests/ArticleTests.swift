import Foundation
import NormGen
import Testing

/// What the articles show is compiled, parsed, lowered or printed as they say.
@Suite struct ArticleTests {
  private let articles: [Article]

  init() throws { articles = try Repository.articles() }

  @Test func swiftBlocksAreCompiledExamples() throws {
    let problems = try CompiledExamples.ofThisFolder().problems(in: articles)
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    #expect(articles.flatMap(\.blocks).count { $0.language == "swift" } > 10)
  }

  @Test func everyBlockIsOfALanguageThatIsChecked() {
    let checked = ["swift", "ng", "sh", "console", "c"]
    // Plain text shows forms and diagrams; the Python snippet only NumPy could run.
    let unchecked = ["", "text", "python"]
    for block in articles.flatMap(\.blocks) {
      #expect((checked + unchecked).contains(block.language), "\(block.place): \(block.language)")
    }
  }

  @Test func kernelBlocksParseAndLower() throws {
    let blocks = articles.flatMap(\.blocks).filter { $0.language == "ng" && $0.name != "error" }
    #expect(blocks.count > 5)
    for block in blocks {
      do {
        let graphs = try GraphParser.graphs(
          in: block.text, file: block.place, functions: ExampleFunctions.all)
        #expect(!graphs.isEmpty)
        for graph in graphs {
          #expect(try GraphParser.graphs(in: "\(graph)") == [graph])
          for target in Target.general { _ = try Compiler(target: target).lower(graph) }
        }
      } catch { Issue.record("\(block.place): \(error)") }
    }
  }

  @Test func faultyKernelBlocksGiveTheMessageBelowThem() throws {
    var count = 0
    for article in articles {
      for (block, next) in zip(article.blocks, article.blocks.dropFirst())
      where block.language == "ng" && block.name == "error" {
        count += 1
        let problem = FaultyKernel.problem(block, message: next)
        #expect(problem == nil, "\(problem ?? "")")
      }
    }
    #expect(count > 3)
  }

  @Test func commandsExist() throws {
    var count = 0
    for block in articles.flatMap(\.blocks) where block.language == "sh" {
      for command in ShellCommand.all(in: block) {
        let problem = try command.problem()
        #expect(problem == nil, "\(block.place): \(command.words): \(problem ?? "")")
        count += 1
      }
    }
    #expect(count > 10)
  }

  @Test func commandsPrintWhatIsShown() {
    let consoles = articles.flatMap(\.blocks).filter { $0.language == "console" }
    #expect(!consoles.isEmpty)
    for block in consoles {
      guard let console = ConsoleBlock(block) else {
        Issue.record("\(block.place): expected '$ normgen …' in the first line")
        continue
      }
      let problem = console.problem()
      #expect(problem == nil, "\(problem ?? "")")
    }
  }

  @Test func excerptsStandInTheEmittedC() throws {
    let emitted = try Compiler(target: .avx512).lower(addRMSNorm()).source.source
    let blocks = articles.flatMap(\.blocks).filter { $0.language == "c" && $0.name == "excerpt" }
    #expect(blocks.count == 1)
    for block in blocks { #expect(emitted.contains(block.text), "\(block.place)") }
  }

  @Test func programsCompileAgainstTheCommittedKernels() throws {
    let blocks = articles.flatMap(\.blocks).filter { $0.language == "c" && $0.name.isEmpty }
    #expect(!blocks.isEmpty)
    for block in blocks {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [
        "cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I",
        Repository.root.appendingPathComponent("Generated/include").path, "-x", "c", "-",
      ]
      let input = Pipe()
      let errors = Pipe()
      process.standardInput = input
      process.standardError = errors
      try process.run()
      input.fileHandleForWriting.write(Data(block.text.utf8))
      try input.fileHandleForWriting.close()
      let message = errors.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      #expect(
        process.terminationStatus == 0,
        "\(block.place): \(String(decoding: message, as: UTF8.self))")
    }
  }
}

/// A block that must not parse, and the block with the message.
enum FaultyKernel {
  static func problem(_ block: Article.Block, message: Article.Block) -> String? {
    guard message.language == "text" else {
      return "\(block.place): the message must follow in a text block"
    }
    do {
      _ = try GraphParser.graphs(
        in: block.text, file: "norm.ng", functions: ExampleFunctions.all)
      return "\(block.place): it parses"
    } catch {
      return "\(error)" == message.text ? nil : "\(block.place): the message is\n\(error)"
    }
  }
}
