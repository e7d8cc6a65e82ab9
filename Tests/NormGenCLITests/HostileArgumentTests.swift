import Foundation
import NormGen
import NormGenFiles
@testable import NormGenCLI
import Testing

/// Arguments and files of a hostile or clumsy user: a clear error, and no file changes.
@Suite struct HostileArgumentTests {
  private func fixture() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write("kernel k(x: f32[rows, 8]) {\n  y = l2_norm(x)\n} -> y\n", to: "k.ng")
    try NpyFile.write(TensorFixture.tensor([3, 8], .f32, seed: 1), to: directory.path("x.npy"))
    return directory
  }

  private static let long = String(repeating: "9", count: 20)

  @Test(arguments: [
    (["check", "k.ng", "--rows", long], 64, "--rows <n>"),
    (["check", "k.ng", "--rows", "-1"], 64, "--rows"),
    (["check", "k.ng", "--rows", "9223372036854775807"], 1, "takes more memory than"),
    (["check", "k.ng", "--threads", "0"], 64, "--threads: expected numbers from 1 on, found 0"),
    (["check", "k.ng", "--threads", long], 64, "--threads <n>"),
    (["check", "k.ng", "--seed", "-1"], 64, "--seed"),
    (["check", "k.ng", "--seed", long], 64, "--seed <seed>"),
    (["check", "k.ng", "--target", ""], 1, "no target is named ''"),
    (["check", "k.ng", "--target", "portable,"], 1, "no target is named ''"),
    (["explain", "k.ng", "--stage", ""], 64, "no stage is named ''"),
    (["check", "k.ng", "--gradient", "--with-respect-to", ""], 1, "''"),
    (["check", ""], 1, "no kernel is named ''"),
    (["check", "~/k.ng"], 1, "~/k.ng: expected a text file with kernels, found no such file"),
    (["bench", "k.ng", "--rounds", "0"], 64, "--rounds: expected at least 3, found 0"),
    (["bench", "k.ng", "--rounds", long], 64, "--rounds <n>"),
    (["bench", "k.ng", "--rows", "9223372036854775807"], 1, "takes more memory than"),
    (["bench", "k.ng", "--plot", ".svg"], 64, "--plot: expected a name that ends in .svg"),
    (["fuzz", "--count", "0"], 64, "--count: expected a number from 1 on, found 0"),
    (["fuzz", "--minutes", "nan"], 64, "--minutes: expected a number above 0"),
    (["fuzz", "--resume", ""], 1, "'': expected a file's name"),
    (["fuzz", "--resume", "."], 1, "'.': expected a regular file, found a directory"),
    (["fuzz", "--count", "1", "--output", ""], 64, "--output: expected a directory, found ''"),
    (["emit", "k.ng", "-o", ""], 64, "--output: expected a directory, found ''"),
    (["emit", "k.ng", "-o", "/dev/null"], 1, "'/dev/null': expected a directory, found a device"),
    (["run", "k.ng", "--input", "x=", "--output", "y=y.npy"], 64, "NAME=FILE, found 'x='"),
    (["run", "k.ng", "--input", "=x.npy", "--output", "y=y.npy"], 64, "NAME=FILE, found '=x.npy'"),
    (
      ["run", "k.ng", "--input", "x=.npy", "--output", "y=y.npy"], 1, "'.npy': can't open: No such"
    ),
    (["run", "k.ng", "--input", "x=-", "--output", "y=y.npy"], 64, "x='-': expected FILE.npy"),
    (
      ["run", "k.ng", "--input", "x=~/x.npy", "--output", "y=y.npy"], 1,
      "'~/x.npy': can't open: No such file or directory; a shell puts a folder in the place of '~'"
    ),
    (["run", "k.ng", "--input", "x=pipe.npy", "--output", "y=y.npy"], 1, "found a pipe"),
    (["run", "k.ng", "--input", "x=d.npy", "--output", "y=y.npy"], 1, "found a directory"),
    (["run", "k.ng", "--input", "x=x.npy", "--output", "y=d.npy"], 1, "found a directory"),
    (["run", "k.ng", "--input", "x=x.npy", "--output", "y=pipe.npy"], 1, "found a pipe"),
    (
      ["run", "k.ng", "--input", "x=x.npy", "x=x.npy", "--output", "y=y.npy"], 64, "assigned twice"
    ),
    (
      ["run", "k.ng", "--input", "x=x.npy", "--output", "y=y.npy", "--oracle", "y=y.npy"], 1,
      "'y.npy': expected one tensor to be written there, found two"
    ),
    (
      ["run", "k.ng", "--input", "x=x.npy", "--oracle", "y=y.npy", "--bound", "y=./y.npy"], 1,
      "'y.npy' and './y.npy': expected two files to write, found one"
    ),
    (
      ["run", "k.ng", "--input", "x=x.npy", "--output", "y=x.npy"], 1,
      "'x.npy': is an input, which the output would replace"
    ),
    (
      ["run", "k.ng", "--input", "x=x.npy", "--output", "y=y.npy", "--threads", "0"], 64,
      "--threads"
    ),
    (["diff", "k.ng", "k.ng", "--input", "x=x.npy", "--seed", "1"], 64, "--input: can't go with"),
    (["verify-generated", "none"], 1, "none: expected a directory, found none"),
  ])
  func badRequestsAreNamed(_ arguments: [String], _ status: Int32, _ message: String) throws {
    let directory = try fixture()
    try FileManager.default.createDirectory(
      atPath: directory.path("d.npy"), withIntermediateDirectories: false)
    #expect(mkfifo(directory.path("pipe.npy"), 0o600) == 0)
    let result = try CommandLineFixture.normgen(arguments, in: directory)
    #expect(result.status == status && !result.endedBySignal, "\(result.output)\(result.errors)")
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(directory.files == ["k.ng", "pipe.npy", "x.npy"])
  }

  /// Two thousand shifted digits, a name of a megabyte: messages have a few lines of bounded length.
  @Test func messagesAreBounded() throws {
    let directory = try fixture()
    let name = String(repeating: "n", count: 100_000)
    let long = String(repeating: "a", count: 3 << 20)
    try directory.write("kernel \(long)(x: f32[rows, 8]) {\n  y = l2_norm(x)\n} -> y\n", to: "l.ng")
    try directory.write("kernel k(x: f32[rows, 8]) {\n  y = \(long)\n} -> y\n", to: "v.ng")
    for arguments in [
      ["check", name], ["check", "\(name).ng"], ["check", "k.ng", "--target", name],
      ["run", "k.ng", "--input", "\(name)=x.npy", "--output", "y=y.npy"],
      ["run", "k.ng", "--input", "x=x.npy", "--output", "y=\(name).npy"],
      ["check", "l.ng"], ["check", "v.ng"], ["fuzz", "--\(name)"], ["fuzz", "--count", name],
    ] {
      let result = try CommandLineFixture.normgen(arguments, in: directory)
      #expect(result.status != 0 && !result.endedBySignal)
      #expect(!result.errors.isEmpty && result.errors.utf8.count < 8000, "\(arguments[0])")
    }
  }

  @Test func nothingHiddenReachesTheTerminal() throws {
    let directory = try fixture()
    let escape = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}"
    try directory.write("kernel k(x: f32[rows, 8]) {\n  y = x \(escape)\n} -> y\n", to: "e.ng")
    let shown = "\\u{1b}]0;title\\u{7}\\u{9b}31m\\u{202e}"
    for (arguments, expected) in [
      (["check", "e.ng"], shown), (["check", escape], shown), (["check", "\(escape).ng"], shown),
      (["check", "k.ng", "--kernel", escape], shown),
      (["check", "k.ng", "--target", escape], shown),
      (["check", "k.ng", "--\(escape)"], shown),
      (["check", "a\nerror: b\r.ng"], "a\\nerror: b\\r"),
      (["run", "k.ng", "--input", "x=\(escape).npy", "--output", "y=y.npy"], shown),
    ] {
      let result = try CommandLineFixture.normgen(arguments, in: directory)
      #expect(result.status != 0)
      #expect(result.errors.contains(expected), "\(result.errors)")
      let hidden: (Unicode.Scalar) -> Bool = { $0 != "\n" && !VisibleText.isVisible($0) }
      #expect(!result.errors.unicodeScalars.contains(where: hidden), "\(arguments)")
    }
    // A result, too: the path is that of the file.
    let result = try CommandLineFixture.normgen(
      ["run", "k.ng", "--input", "x=x.npy", "--output", "y=\u{1b}[2J.npy"], in: directory)
    #expect(result.output == "y: f32[3, 8] in \\u{1b}[2J.npy\n", "\(result.errors)")
    #expect(directory.files.contains("\u{1b}[2J.npy"))
  }

  /// JSON stays JSON, with the same strings.
  @Test func jsonHasItsOwnEscapes() throws {
    let text = "a\u{1b}\u{202e}\u{9b}\u{e0041}é"
    let json = try JSONText.of([text])
    #expect(json.unicodeScalars.allSatisfy { $0 == "\n" || VisibleText.isVisible($0) })
    #expect(json.contains("\\u202e\\u009b\\udb40\\udc41é"))
    #expect(try JSONDecoder().decode([String].self, from: Data(json.utf8)) == [text])
  }

  /// Names that are no UTF-8, which `Process` can't give: by a shell.
  @Test func filesOfAnyNameAreReadAndWritten() throws {
    let directory = try fixture()
    let tool = try CommandLineFixture.toolPath()
    let script = """
      mkdir "$(printf 'd\\377')" && cp k.ng "$(printf 'd\\377/k\\376.ng')" &&
      cp x.npy "$(printf 'x\\300.npy')" &&
      "\(tool)" run "$(printf 'd\\377/k\\376.ng')" --input "$(printf 'x=x\\300.npy')" \
        --output "$(printf 'y=d\\377/y\\201.npy')" &&
      test -s "$(printf 'd\\377/y\\201.npy')" &&
      "\(tool)" emit "$(printf 'd\\377/k\\376.ng')" --target portable -o "$(printf 'out\\377')" &&
      test -s "$(printf 'out\\377/k_portable.c')"
      "\(tool)" check "$(printf 'z\\377.ng')"
      """
    let result = try CommandLineFixture.run("/bin/sh", ["-c", script], in: directory)
    #expect(result.status == 1)
    #expect(
      result.output == "y: f32[3, 8] in d\\xff/y\\x81.npy\nout\\xff/k_portable.h\n"
        + "out\\xff/k_portable.c\n")
    #expect(
      result.errors
        == "error: z\\xff.ng: expected a text file with kernels, found no such file\n")
  }

  @Test(arguments: [
    "\"graphs\": 9223372036854775807", "\"graphs\": -1", "\"graphs\": 1e30", "\"graphs\": 1.5",
    "\"refused\": {\"a\": 9223372036854775807, \"b\": 1}", "\"refused\": {\"a\": -1}",
    "\"failed\": [1, 2, 3, 4, 5, 6]", "\"figures.calls\": 9223372036854775807",
    "\"figures.elements\": -5", "\"figures.features\": {\"x\": 9223372036854775807}",
    "\"figures.ratios\": [1]", "\"figures.ratios.0\": 9223372036854775807",
    "\"figures.worstRatio\": -1", "\"figures.worstSeed\": -1",
  ]) func absurdStatesOfFuzzingAreRefused(_ change: String) throws {
    let directory = try fixture()
    let begun = try CommandLineFixture.normgen(
      ["fuzz", "--count", "1", "--seed", "3", "--target", "portable", "--resume", "s.json"],
      in: directory)
    #expect(begun.status == 0, "\(begun.errors)")
    let text = Data(try directory.text(of: "s.json").utf8)
    var state = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    let changes = try #require(
      try JSONSerialization.jsonObject(with: Data("{\(change)}".utf8)) as? [String: Any])
    for (key, value) in changes {
      let parts = key.split(separator: ".").map(String.init)
      guard parts[0] == "figures" else {
        state[key] = value
        continue
      }
      var figures = try #require(state["figures"] as? [String: Any])
      if parts.count == 3 {
        var ratios = try #require(figures[parts[1]] as? [Any])
        ratios[0] = value
        ratios[1] = value
        figures[parts[1]] = ratios
      } else {
        figures[parts[1]] = value
      }
      state["figures"] = figures
    }
    let changed = try JSONSerialization.data(withJSONObject: state)
    try directory.write(changed, to: "s.json")
    let result = try CommandLineFixture.normgen(
      ["fuzz", "--count", "3", "--target", "portable", "--resume", "s.json"], in: directory)
    #expect(result.status == 1 && !result.endedBySignal)
    #expect(
      result.errors.hasPrefix("error: s.json: expected the state of a run of 'fuzz', found "),
      "\(result.errors)")
    #expect(try directory.bytes(of: "s.json") == [UInt8](changed))
  }
}
