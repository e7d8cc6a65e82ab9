import NormGenIR
import NormGenTensors
import Testing

@testable import NormGenFiles

@Suite struct SystemTextTests {
  /// Every byte, every pair around the edges of UTF-8, and the scalars that stand for bytes themselves.
  @Test func everyNameOfTheSystemIsTextAndBack() {
    var names: [[UInt8]] = (1...255).map { [$0] }
    let edges: [UInt8] = [0x2f, 0x41, 0x7f, 0x80, 0x8f, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff]
    for first in edges {
      for second in edges {
        names.append([first, second])
        names.append([0x78, first, second, 0x9f, 0xbf, 0x79])
        names.append([0xf4, 0x8f, first, second])
      }
    }
    names.append(Array("é\u{301}\u{10ffff}\u{10ff80}\u{10ff7f}".utf8))
    for name in names {
      let text = SystemText.text(of: name)
      #expect(SystemText.bytes(of: text) == name, "\(name)")
    }
    #expect(Set(names.map { Array(SystemText.text(of: $0).utf8) }).count == Set(names).count)
  }

  @Test func namesInUTF8AreThemselves() {
    for name in ["x.npy", "größe.npy", "e\u{301}", "🦉", ""] {
      #expect(SystemText.text(of: Array(name.utf8)).utf8.elementsEqual(name.utf8))
    }
  }

  @Test func nothingHiddenIsShown() {
    let text = "a\u{1b}[31m\r\n\t\u{7f}\u{9b}\u{202e}\u{200b}\u{2066}\u{2028}\u{feff}\u{e0041}é"
    let shown = VisibleText.of(text)
    #expect(
      shown == "a\\u{1b}[31m\\r\\n\\t\\u{7f}\\u{9b}\\u{202e}\\u{200b}\\u{2066}\\u{2028}\\u{feff}"
        + "\\u{e0041}é")
    #expect(VisibleText.of(text, keeping: ["\n", "\t"]).contains("\\r\n\t\\u{7f}"))
    #expect(VisibleText.of(SystemText.text(of: [0x78, 0xff, 0x80])) == "x\\xff\\x80")
    #expect(VisibleText.of("± … – ² ″ 漢") == "± … – ² ″ 漢")
  }

  @Test func tensorsLieInFilesOfAnyName() throws {
    let folder = try TemporaryFolder()
    let name = SystemText.text(
      of: Array(folder.path.utf8) + [0x2f, 0xff, 0xc3] + Array(".npy".utf8))
    let tensor = try seededTensor([3], .f32)
    try NpyFile.write(tensor, to: name)
    #expect(try NpyFile(name).load().elementBytes == tensor.elementBytes)
    let error = #expect(throws: TensorFileError.self) {
      try NpyFile(SystemText.text(of: [0x7e, 0xfe]))
    }
    #expect(
      error?.description.hasPrefix("'~\\xfe': can't open: No such file or directory; a ") == true)
  }
}
