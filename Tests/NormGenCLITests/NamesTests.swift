@testable import NormGenCLI
import NormGenIR
import Testing

@Suite struct NamesTests {
  @Test func distanceCountsEdits() {
    #expect(NearNames.distance("", "") == 0)
    #expect(NearNames.distance("norm", "") == 4)
    #expect(NearNames.distance("norm", "form") == 1)
    #expect(NearNames.distance("nrom", "norm") == 2)
    #expect(NearNames.distance("norm", "rms_norm") == 4)
  }

  @Test func nearestNamesComeFirstAndFarOnesAreLeftOut() {
    let known = ["layer_norm_768", "rms_norm_768", "rms_norm_769", "softmax"]
    #expect(NearNames.of("rms_norm_769", among: known) == ["rms_norm_769", "rms_norm_768"])
    #expect(NearNames.of("completely_else", among: known).isEmpty)
  }

  @Test func onlyPlainNamesReachCommentsAndShells() {
    #expect(CommandText.isPlain("my_norm-2.ng"))
    #expect(!CommandText.isPlain(""))
    #expect(!CommandText.isPlain("a b"))
    #expect(!CommandText.isPlain("*/ int x;"))
    #expect(!CommandText.isPlain("é"))
    #expect(CommandText.quoted("dir/file.c") == "dir/file.c")
    #expect(CommandText.quoted("it's") == #"'it'\''s'"#)
    #expect(CommandText.quoted("") == "''")
  }

  @Test func columnsAreAlignedAndLinesEndWithoutBlanks() {
    let table = TextTable(
      header: ["name", "n", "note"], alignments: [.left, .right],
      [["a", "100", ""], ["long", "2", "x"]])
    #expect(table.text == "name    n  note\na     100\nlong    2  x\n")
  }
}
