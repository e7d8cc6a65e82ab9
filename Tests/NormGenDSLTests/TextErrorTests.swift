import NormGen
import NormGenTestSupport
import Testing

/// A malformed text; `▸` stands before the place that the error must name.
struct MalformedText: Sendable, CustomTestStringConvertible {
  let name: String
  let text: String
  let message: String

  init(_ name: String, _ text: String, _ message: String) {
    self.name = name
    self.text = text
    self.message = message
  }

  /// A statement in an otherwise right kernel.
  init(_ name: String, statement: String, _ message: String) {
    self.init(
      name, "kernel k(x: f32[rows, 4], g: f32[4]) {\n  \(statement)\n} -> y, z = x * g", message)
  }

  var testDescription: String { name }
}

@Suite struct TextErrorTests {
  static let all: [MalformedText] = [
    // The file.
    MalformedText("empty", "▸", "expected 'kernel', found the end of the file"),
    MalformedText("blank lines", "\n\n  ▸", "expected 'kernel', found the end of the file"),
    MalformedText("comment only", "// nothing▸", "expected 'kernel', found the end of the file"),
    MalformedText("no kernel", "▸graph k() {\n}", "expected 'kernel', found 'graph'"),
    MalformedText("rest after kernel", "kernel k(x: f32[rows, 4]) {\n} -> y = x\n▸}", "'kernel'"),
    MalformedText("non-ASCII letter", "kernel ▸µ(x: f32[rows, 4]) {", "found 'µ'"),
    MalformedText("combining letter", "kernel k▸e\u{301}(x: f32[rows, 4]) {", "expected a name"),
    MalformedText("full-width digit", "kernel k(x: f32[rows, ▸４]) {", "found '４'"),
    MalformedText("NUL", "kernel k▸\0(x: f32[rows, 4]) {", "expected a name, a number"),
    MalformedText("byte order mark", "▸\u{feff}kernel k(x: f32[rows, 4]) {", "expected a name"),
    MalformedText("quote", "kernel ▸\"k\"(x: f32[rows, 4]) {", "found '\"'"),
    MalformedText("after CRLF", "// a\r\n// b\r\nkernel k(x: ▸f64[rows, 4]) {", "found 'f64'"),
    MalformedText("after tabs", "kernel k(\t\tx:\t▸f64[rows, 4]) {", "f32, bf16, f16"),
    // The head.
    MalformedText("no name", "kernel ▸(x: f32[rows, 4]) {", "expected a kernel name, found '('"),
    MalformedText("keyword as kernel", "kernel ▸double(x: f32[rows, 4]) {", "C keyword"),
    MalformedText("reserved kernel", "kernel ▸_K(x: f32[rows, 4]) {", "C keyword or reserved"),
    MalformedText("two underscores", "kernel ▸__k(x: f32[rows, 4]) {", "reserved"),
    MalformedText("digit first", "kernel ▸2k(x: f32[rows, 4]) {", "expected a kernel name"),
    MalformedText(
      "long name", "kernel ▸\(String(repeating: "k", count: 201))(x: f32[rows, 4]) {", "found 'kk"),
    MalformedText("C++ keyword", "kernel k(▸template: f32[rows, 4]) {", "C keyword"),
    MalformedText("unclosed inputs", "kernel k(x: f32[rows, 4] ▸{", "expected ',' or ')'"),
    MalformedText("unclosed at the end", "kernel k(x: f32[rows, 4]▸", "found the end of the file"),
    MalformedText("no colon", "kernel k(x ▸f32[rows, 4]) {", "expected ':'"),
    MalformedText("no type", "kernel k(x: ▸[rows, 4]) {", "expected a storage type"),
    MalformedText("no shape", "kernel k(x: f32▸) {", "expected '[' before a shape"),
    MalformedText(
      "input twice", "kernel k(x: f32[rows, 4], ▸x: f32[4]) {", "'x' is declared twice"),
    MalformedText("rows second", "kernel k(▸x: f32[4, rows]) {", "'rows' must be the first axis"),
    MalformedText("extent 0", "kernel k(▸x: f32[rows, 0]) {", "at least 1, found 0"),
    MalformedText("negative extent", "kernel k(x: f32[rows, ▸-4]) {", "'rows' or a number"),
    MalformedText("fractional extent", "kernel k(x: f32[rows, ▸4.5]) {", "a whole number"),
    MalformedText(
      "huge extent", "kernel k(x: f32[rows, ▸99999999999999999999]) {", "a whole number"),
    MalformedText(
      "huge product", "kernel k(▸x: f32[rows, 8192, 8192]) {", "more than 16777216"),
    MalformedText("extent by name", "kernel k(x: f32[rows, ▸n]) {", "expected 'rows' or a number"),
    // Statements.
    MalformedText("unterminated", "kernel k(x: f32[rows, 4]) {\n  y = x▸", "end of the line"),
    MalformedText("no value", statement: "y =▸", "expected a value, a number, a call or '('"),
    MalformedText("no equals", statement: "y ▸x", "expected '=' after a value name"),
    MalformedText("two values", statement: "y = x ▸x", "an operator or the end of the line"),
    MalformedText("operator at the end", statement: "y = x +▸", "found the end of the line"),
    MalformedText("unclosed parenthesis", statement: "y = (x + 1\n▸}", "expected ')'"),
    MalformedText("extra parenthesis", statement: "y = x▸)", "an operator or the end of the line"),
    MalformedText("defined twice", statement: "y = x\n  ▸y = x", "'y' is already defined"),
    MalformedText("input redefined", statement: "▸x = x + 1", "'x' is already defined"),
    MalformedText("shared twice", statement: "%1 = x\n  ▸%1 = x", "'%1' is already defined"),
    MalformedText(
      "weights of other rank", statement: "y = ▸matmul(x, g)", "two fixed axes and no rows"),
    MalformedText(
      "weights of integers", statement: "y = ▸matmul(x, i8(reshape(g, [1, 4])), layout: out_in)",
      "must be f32, bf16, f16, f8_e4m3 or f8_e5m2, found i8"),
    MalformedText(
      "no such overflow", statement: "y = f8_e4m3(x, ▸overflow: wrapped)",
      "expected one of unsaturated, saturated, found 'wrapped'"),
    MalformedText(
      "overflow of integers", statement: "y = i8(x, ▸overflow: saturated)",
      "'i8' has no argument 'overflow'"),
    MalformedText(
      "no such layout", statement: "y = matmul(x, g, ▸layout: rows)",
      "expected one of in_out, out_in, found 'rows'"),
    MalformedText(
      "no such accumulation", statement: "y = matmul(x, g, ▸accumulate: fast)",
      "expected one of fused, bf16_dot, int8, found 'fast'"),
    MalformedText(
      "no weights", statement: "y = ▸matmul(x)",
      "'matmul' needs a tensor as argument 2, found 1 argument"),
    MalformedText(
      "no part", statement: "y = ▸concatenate()", "at least one must begin with 'rows'"),
    MalformedText(
      "parts without rows", statement: "y = ▸concatenate(g, g)", "found [4] and [4]"),
    MalformedText(
      "part without axes", statement: "y = ▸concatenate(x, 0)", "found [rows, 4] and []"),
    MalformedText(
      "axis given", statement: "y = concatenate(x, x, ▸axis: 1)", "no argument 'axis'"),
    MalformedText("word as part", statement: "y = concatenate(x, ▸last)", "no value is named"),
    MalformedText("unknown value", statement: "y = x + ▸h", "no value is named 'h'; known: g, x"),
    MalformedText("unknown shared", statement: "y = ▸%7", "no value is named '%7'"),
    MalformedText("keyword as value", statement: "▸int = x", "C keyword"),
    MalformedText("keyword as block", statement: "▸while {\n  }", "C keyword"),
    MalformedText("number as statement", statement: "▸5 = x", "a value name or '}'"),
    MalformedText("used before", statement: "y = ▸t\n  t = x", "no value is named 't'"),
    MalformedText("huge number", statement: "y = x * ▸1e39", "'1e39' is beyond Float32"),
    MalformedText("huge negative", statement: "y = x * -▸1e39", "'1e39' is beyond Float32"),
    MalformedText("a NaN", statement: "y = x * ▸nan", "no value is named 'nan'"),
    MalformedText("NaN from inf", statement: "y = x * ▸NaN", "no value is named 'NaN'"),
    MalformedText("hexadecimal", statement: "y = x * 0▸x10", "an operator or the end"),
    // Calls.
    MalformedText("unknown function", statement: "y = ▸rmsnorm(x)", "no function is named"),
    MalformedText("no argument", statement: "y = ▸abs()", "needs a tensor as argument 1"),
    MalformedText("one argument", statement: "y = ▸max(x)", "needs a tensor as argument 2"),
    MalformedText("too many", statement: "y = ▸abs(x, x)", "'abs' takes 1 argument, found 2"),
    MalformedText(
      "unlabelled gain", statement: "y = ▸rms_norm(x, g)",
      "'rms_norm' takes 1 argument without a label, found 2; with a label it takes gain, shift"),
    MalformedText(
      "short label", statement: "y = rms_norm(x, ▸eps: 1e-5)",
      "'rms_norm' has no argument 'eps'; did you mean 'epsilon'? It takes gain, shift, epsilon"),
    MalformedText(
      "misspelt required label", statement: "y = group_norm(x, ▸group: 2)",
      "'group_norm' needs 'groups:', a whole number from 0 on; found 'group:'"),
    MalformedText(
      "rounding alone", statement: "y = rms_norm(x, ▸rounding: up)",
      "'rounding' means nothing beside the other arguments of 'rms_norm'"),
    MalformedText(
      "negative epsilon", statement: "y = rms_norm(x, ▸epsilon: -1.0)",
      "'epsilon' of 'rms_norm' must be a finite number of at least 0, found -1.0"),
    MalformedText(
      "negative epsilon of a group", statement: "y = group_norm(x, groups: 2, ▸epsilon: -1e-5)",
      "'epsilon' of 'group_norm' must be a finite number of at least 0"),
    MalformedText(
      "misspelt function", statement: "y = ▸rms_nrom(x)", "did you mean 'rms_norm'? Known: abs"),
    MalformedText("word as tensor", statement: "y = abs(▸word)", "no value is named 'word'"),
    MalformedText("unknown label", statement: "y = rms_norm(x, ▸gian: g)", "no argument 'gian'"),
    MalformedText("label twice", statement: "y = rms_norm(x, gain: g, ▸gain: g)", "given twice"),
    MalformedText(
      "unknown preset", statement: "y = rms_norm(x, ▸semantics: lama)",
      "expected one of fused, llama, gemma"),
    MalformedText(
      "tensor as number", statement: "y = rms_norm(x, ▸epsilon: x)", "expected a number, found 'x'"),
    MalformedText("huge epsilon", statement: "y = rms_norm(x, ▸epsilon: 1e99)", "beyond Float32"),
    MalformedText("huge slope", statement: "y = leaky_relu(x, ▸slope: 1e99)", "beyond Float32"),
    MalformedText("fractional window", statement: "y = x * sum(x, ▸leading: 1.5)", "whole number"),
    MalformedText("empty window", statement: "y = x * ▸sum(x, leading: 0)", "the window"),
    MalformedText("long window", statement: "y = x * ▸sum(x, leading: 5)", "the row's 4"),
    MalformedText("whole and more", statement: "y = x * ▸mean(x, fraction: 1.5)", "the window"),
    MalformedText(
      "no element", statement: "y = x * ▸mean(x, fraction: 0.1, rounding: down)", "the window"),
    MalformedText("huge fraction", statement: "y = x * ▸mean(x, fraction: 1e300)", "the window"),
    MalformedText(
      "infinite fraction", statement: "y = x * ▸mean(x, fraction: 1e999)", "the window"),
    MalformedText(
      "unknown rounding", statement: "y = x * mean(x, fraction: 0.5, ▸rounding: even)", "up, down"),
    MalformedText("no comma", statement: "y = max(x ▸g)", "expected ',' or ')'"),
    MalformedText("no condition", statement: "y = select(x▸, x, x)", "in the condition"),
    MalformedText("short select", statement: "y = select(x > g, x▸)", "after the first choice"),
    MalformedText("no new shape", statement: "y = reshape(x▸)", "before the shape"),
    // Shapes.
    MalformedText(
      "unequal shapes", "kernel k(x: f32[rows, 4], g: f32[5]) {\n  y = x ▸* g\n} -> y",
      "shapes [rows, 4] and [5] do not broadcast"),
    MalformedText(
      "other count", statement: "y = ▸reshape(x, [rows, 5])", "changes the number of elements"),
    MalformedText("rows dropped", statement: "y = ▸reshape(x, [4])", "changes the number"),
    MalformedText(
      "statistic of a number", statement: "y = x * ▸sum(3)", "needs a value with a row"),
    // Outputs.
    MalformedText("no outputs", "kernel k(x: f32[rows, 4]) {\n}▸", "expected '->'"),
    MalformedText("no output name", "kernel k(x: f32[rows, 4]) {\n} -> ▸", "an output name"),
    MalformedText(
      "unknown output", "kernel k(x: f32[rows, 4]) {\n} -> ▸y", "no value is named 'y'"),
    MalformedText("output type", "kernel k(x: f32[rows, 4]) {\n} -> y: ▸f8 = x", "found 'f8'"),
    MalformedText("output list", "kernel k(x: f32[rows, 4]) {\n} -> y = x ▸x", "',' or the end"),
    MalformedText(
      "output twice", "kernel k(x: f32[rows, 4]) {\n} -> y = x, ▸y = x", "two parameters are named"),
    MalformedText("output is input", "kernel k(x: f32[rows, 4]) {\n} -> ▸x", "are named 'x'"),
    MalformedText(
      "unused input", "kernel k(x: f32[rows, 4], ▸g: f32[4]) {\n} -> y = x", "the input 'g'"),
    MalformedText(
      "no rows", "kernel k(g: f32[4]) {\n  y = g + 1\n} -> ▸y", "must begin with 'rows'"),
    MalformedText("a constant stored", "kernel k() {\n} -> ▸y = 1", "must begin with 'rows'"),
    // Depth.
    MalformedText(
      "deep parentheses",
      statement: "y = " + String(repeating: "(", count: 200) + "▸"
        + String(repeating: "(", count: 99),
      "nested more than 200 deep"),
    MalformedText(
      "deep signs", statement: "y = " + String(repeating: "-", count: 200) + "▸" + "-x",
      "nested more than 200 deep"),
    MalformedText(
      "deep blocks", statement: String(repeating: "a { ", count: 200) + "a {▸",
      "nested more than 200 deep"),
  ]

  @Test(arguments: all)
  func malformedTextIsRefusedAtItsPlace(malformed: MalformedText) throws {
    let parts = malformed.text.split(separator: "▸", omittingEmptySubsequences: false)
    try #require(parts.count == 2)
    let before = parts[0].split(omittingEmptySubsequences: false) { $0.isNewline }
    let text = parts.joined()
    do {
      let graphs = try GraphParser.graphs(in: text, file: "k.ng")
      Issue.record("it was read as \(graphs)")
    } catch {
      #expect(error.message.contains(malformed.message), "\(error)")
      #expect(
        [error.line, error.column] == [before.count, (before.last?.count ?? 0) + 1], "\(error)")
      #expect(error.file == "k.ng")
    }
  }

  @Test func namesOfTheTableAreDistinct() {
    #expect(Set(Self.all.map(\.name)).count == Self.all.count)
  }

  @Test func descriptionShowsLineAndCaret() throws {
    func description(_ text: String) -> String {
      do {
        return "\(try GraphParser.graphs(in: text, file: "norm.ng"))"
      } catch { return "\(error)" }
    }
    let texts = [
      "kernel k(x: f32[rows, 4]) {\n  y = x * gian\n} -> y",
      "kernel k(x: f32[rows, 4], g: f32[5]) {\r\n\ty =\tx + g\r\n} -> y",
      "kernel k(x: f32[rows, 4]) {\n  y = rms_norm(x, semantic: llama)\n} -> y",
      "kernel k(x: f32[rows, 4]) {\n  y = größe\n} -> y",
      "kernel k(x: f32[rows, 4]) {\n  y = x +",
      "",
    ]
    try Goldens().compare(
      texts.map(description).joined(separator: "\n\n") + "\n", "errors.txt")
  }

  @Test func everyPrefixOfATextIsReadOrRefused() throws {
    let graphs = try Catalog.standard.entries.prefix(12).map { try $0.kernel.graph() }
    for graph in graphs {
      let text = Array("\(graph)")
      for length in 0..<text.count - 1 {
        do {
          _ = try GraphParser.graphs(in: String(text[..<length]))
        } catch {
          #expect(error.line >= 1 && error.column >= 1)
        }
      }
    }
  }

  @Test func damagedTextsAreReadOrRefused() throws {
    var random = SeededGenerator(seed: 5)
    let symbols = Array("(){}[],:=+-*/>.%\n 019eEx_\t\r\u{0}é")
    let texts = try Catalog.standard.entries.map { Array("\(try $0.kernel.graph())") }
    for _ in 0..<4000 {
      var text = texts[Int(random.next() % UInt64(texts.count))]
      for _ in 0...(random.next() % 3) {
        let place = Int(random.next() % UInt64(text.count))
        switch random.next() % 3 {
        case 0: text.remove(at: place)
        case 1: text.insert(symbols[Int(random.next() % UInt64(symbols.count))], at: place)
        default: text[place] = symbols[Int(random.next() % UInt64(symbols.count))]
        }
      }
      // A damaged text may still have a meaning; then it must come back like any other.
      guard let graphs = try? GraphParser.graphs(in: String(text)) else { continue }
      let printed = graphs.map(\.description).joined()
      #expect(try GraphParser.graphs(in: printed) == graphs, "\(String(text))")
    }
  }
}
