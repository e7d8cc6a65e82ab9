import NormGen
import Testing

/// The checks of the articles fail where they should.
@Suite struct CheckerTests {
  private func article(_ text: String) -> Article { Article(path: "A.md", text: text) }

  private func problems(_ article: String, compiled: String) -> [String] {
    var examples = CompiledExamples()
    examples.add(compiled, file: "E.swift")
    return examples.problems(in: [self.article(article)])
  }

  private let compiled = """
    func f() {
      // example: one
      let a = 1
        let b = 2
      // end
    }
    """

  @Test func anEqualBlockPasses() {
    #expect(problems("```swift one\nlet a = 1\n  let b = 2\n```", compiled: compiled) == [])
  }

  @Test func aDifferentBlockIsRefused() {
    for text in ["let a = 1", "let a = 2\n  let b = 2", "let a = 1\n  let b = 2\nlet c = 3"] {
      let found = problems("text\n```swift one\n\(text)\n```", compiled: compiled)
      #expect(found.count == 1 && found[0].hasPrefix("A.md:2: 'one' differs"), "\(found)")
    }
  }

  @Test func aBlockWithoutTwinAndATwinWithoutBlockAreRefused() {
    #expect(
      problems("```swift\nlet a = 1\n```", compiled: compiled) == [
        "A.md:1: no compiled example is named ''", "no article shows the example 'one'",
      ])
  }

  @Test func openAndRepeatedExamplesAreRefused() {
    #expect(problems("", compiled: "// example: two\n1") == ["E.swift: 'two' has no end"])
    let twice = "// example: two\n// end\n// example: two\n// end"
    #expect(problems("", compiled: twice).contains("E.swift: two examples are named 'two'"))
  }

  @Test func unknownCommandsOptionsAndKernelsAreRefused() throws {
    let lines = [
      "normgen list", "normgen lists", "normgen check rms_norm_128_f32 --row 3",
      "normgen explain rms_norm_129_f32", "NORMGEN_TARGET=avx2 normgen emit a.ng --stdout > a.c",
      "make nothing", "swift test --filter NoTests", "nothing.sh",
    ]
    let block = try #require(article("```sh\n\(lines.joined(separator: "\n"))\n```").blocks.first)
    let refused = try ShellCommand.all(in: block).map { try $0.problem() != nil }
    #expect(refused == [false, true, true, true, false, true, true, true])
  }

  @Test func otherOutputIsRefused() throws {
    func problem(_ lines: String) throws -> String? {
      let block = try #require(article("```console\n\(lines)\n```").blocks.first)
      return try #require(ConsoleBlock(block)).problem()
    }
    let command = "$ normgen explain rms_norm_128_f32 --stage graph"
    #expect(try problem("\(command)\n...\n    mean_square = mean(x * x)\n...") == nil)
    #expect(try problem("\(command)\n...\n    mean_square = mean(x)\n...") != nil)
    #expect(try problem(command) != nil)
    #expect(try problem("\(command)\n...\n} -> y: f32\nmore") != nil)
  }

  @Test func aFaultyKernelNeedsItsOwnMessage() throws {
    let text = "```ng error\nkernel k\n```\n```text\nnorm.ng:1:9: error\n```"
    let blocks = article(text).blocks
    #expect(FaultyKernel.problem(blocks[0], message: blocks[1])?.contains("norm.ng:1:9") == true)
  }
}
