import Foundation
import NormGen
import NormGenCheck
import NormGenFiles
import Testing

/// `diff` of kernels, targets, C and shared libraries.
@Suite struct DiffTests {
  private static let kernels = """
    kernel norm(x: f32[rows, 37], gain: f32[37]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-6)
    } -> y
    kernel renamed(x: f32[rows, 37], gain: f32[37]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-6)
    } -> y
    kernel other_epsilon(x: f32[rows, 37], gain: f32[37]) {
      y = rms_norm(x, gain: gain, epsilon: 1e-3)
    } -> y
    kernel divided(gain: f32[37], x: f32[rows, 37]) {
      y = x / sqrt(mean(x * x) + 1e-6) * gain
    } -> y
    kernel narrow(x: bf16[rows, 37], shift: f32[37]) {
      z = x + shift
    } -> z

    """

  private func directory() throws -> TestDirectory {
    let directory = try TestDirectory()
    try directory.write(Self.kernels, to: "k.ng")
    return directory
  }

  private func diff(_ arguments: [String], in directory: TestDirectory) throws -> ProgramResult {
    try CommandLineFixture.normgen(["diff"] + arguments, in: directory)
  }

  /// The emitted C of `norm`, with a part of it replaced.
  private func emit(
    _ target: String, replacing part: String? = nil, with other: String = "", to name: String,
    in directory: TestDirectory
  ) throws {
    let emitted = try CommandLineFixture.normgen(
      ["emit", "k.ng", "--kernel", "norm", "--target", target], in: directory)
    #expect(emitted.status == 0, "\(emitted.errors)")
    var text = try directory.text(of: "norm_\(target).c")
    if let part {
      #expect(text.contains(part), "'\(part)' is not in the C")
      text = text.replacing(part, with: other)
    }
    try directory.write(text, to: name)
  }

  @Test func equalKernelsHaveTheSameBits() throws {
    let result = try diff(["k.ng:norm", "k.ng:renamed", "--seed", "7"], in: try directory())
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let lines = result.output.split(separator: "\n").map(String.init)
    #expect(lines[0] == "seed 7")
    #expect(lines[1] == "A: norm of k.ng on \(HostCPU.current.bestTarget)")
    #expect(lines[3] == "the graphs are the same")
    #expect(lines.last == "the same bits: \(23 * 37) elements")
  }

  @Test func anotherEpsilonDiffersBeyondTheBound() throws {
    let directory = try directory()
    let arguments = ["k.ng:norm", "k.ng:other_epsilon", "--rows", "2", "--seed", "7"]
    let result = try diff(arguments, in: directory)
    #expect(result.status == 1)
    #expect(result.output.contains("the graphs differ\n"))
    #expect(result.output.contains("  A: inv_rms = 1.0 / sqrt(mean_square + 1e-06)\n"))
    #expect(result.output.contains("  B: inv_rms = 1.0 / sqrt(mean_square + 0.001)\n"))
    #expect(result.output.contains("rows 2, output 'y': first at [0, 0]: A "))
    #expect(result.output.contains("the bits differ: "))
    #expect(result.output.hasSuffix("not all within A's bound\n"))
    #expect(try diff(arguments + ["--within-bound"], in: directory).status == 1)
  }

  @Test func differencesWithinTheBoundCanBeAccepted() throws {
    let directory = try directory()
    let arguments = ["k.ng:norm", "k.ng:divided", "--rows", "17", "--seed", "1"]
    let strict = try diff(arguments, in: directory)
    #expect(strict.status == 1, "\(strict.output)\(strict.errors)")
    #expect(strict.output.hasSuffix("all within A's bound\n"))
    #expect(try diff(arguments + ["--within-bound"], in: directory).status == 0)
  }

  @Test func targetsHaveTheSameBits() throws {
    let directory = try directory()
    let two = try diff(
      ["k.ng", "--kernel", "norm", "--target", "portable", "host", "--adversarial"],
      in: directory)
    #expect(two.status == 0, "\(two.output)\(two.errors)")
    #expect(two.output.contains("A: norm of k.ng on portable\n"))
    #expect(two.output.contains("special  y "))
    guard (try? TargetMachine.of(.neon)) != nil else { return }
    let named = try diff(["k.ng:norm@portable", "k.ng:norm@neon", "--rows", "5"], in: directory)
    #expect(named.status == 0, "\(named.output)\(named.errors)")
  }

  @Test func editedCIsComparedWithTheKernel() throws {
    let directory = try directory()
    try emit("portable", to: "same.c", in: directory)
    let same = try diff(["k.ng:norm", "same.c"], in: directory)
    #expect(same.status == 0, "\(same.output)\(same.errors)")
    // The target is that of the C, for both.
    #expect(same.output.contains("A: norm of k.ng on portable\nB: norm of same.c on portable\n"))

    try emit("portable", replacing: "1e-06f", with: "2e-06f", to: "edited.c", in: directory)
    let edited = try diff(
      ["k.ng:norm", "--source", "edited.c", "--rows", "3", "--seed", "1"], in: directory)
    #expect(edited.status == 1, "\(edited.output)\(edited.errors)")
    #expect(edited.output.contains(" beyond)"))

    // The last row is missing: zeros.
    try emit(
      "portable", replacing: "(rows, buffers[0]", with: "(rows - 1, buffers[0]", to: "short.c",
      in: directory)
    let short = try diff(
      ["same.c", "short.c", "--graph", "k.ng:norm", "--rows", "3", "--json"], in: directory)
    #expect(short.status == 1, "\(short.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(short.output.utf8)) as? [String: Any])
    #expect(report["sameGraph"] as? Bool == true && report["sameBits"] as? Bool == false)
    #expect(report["passes"] as? Bool == false)
    let line = try #require((report["lines"] as? [[String: Any]])?.first)
    #expect(line["differing"] as? Int == 37)
    let first = try #require(line["first"] as? [String: Any])
    #expect(first["indices"] as? [Int] == [2, 0] && first["b"] as? Double == 0)
    #expect((line["a"] as? [String: Any])?["failures"] as? Int == 0)
    #expect((line["b"] as? [String: Any])?["failures"] as? Int == 37)
  }

  @Test func emulatedTargetsRunEditedC() throws {
    guard !HostCPU.current.supports(.neon), (try? TargetMachine.of(.neon)) != nil else { return }
    let directory = try directory()
    try emit("neon", replacing: "1e-06f", with: "2e-06f", to: "edited.c", in: directory)
    let edited = try diff(["k.ng:norm@portable", "edited.c", "--rows", "3"], in: directory)
    #expect(edited.status == 1, "\(edited.errors)")
    #expect(edited.output.contains("B: norm of edited.c on neon, emulated by "))
  }

  @Test func sharedLibrariesAreCompared() throws {
    let directory = try directory()
    try emit("portable", to: "norm.c", in: directory)
    try emit("portable", replacing: "1e-06f", with: "2e-06f", to: "edited.c", in: directory)
    for name in ["norm", "edited"] {
      let compiled = try CommandLineFixture.run(
        "gcc", ["-std=c11", "-O2", "-shared", "-fPIC", "\(name).c", "-o", "\(name).so"],
        in: directory)
      #expect(compiled.status == 0, "\(compiled.errors)")
    }
    let same = try diff(["k.ng:norm", "norm.so", "--rows", "0", "17"], in: directory)
    #expect(same.status == 0, "\(same.output)\(same.errors)")
    #expect(same.output.contains("B: norm of norm.so on portable\n"))
    let edited = try diff(["k.ng:norm", "edited.so", "--rows", "17"], in: directory)
    #expect(edited.status == 1, "\(edited.output)\(edited.errors)")
  }

  @Test func tensorsOfFilesTakeThePlaceOfSeededOnes() throws {
    let directory = try directory()
    var x = [Float](repeating: 1, count: 2 * 37)
    x[37] = 0.5
    try NpyFile.write(HostTensor(x, shape: [2, 37]), to: directory.path("x.npy"))
    try NpyFile.write(
      HostTensor([Float](repeating: 1, count: 37), shape: [37]), to: directory.path("g.npy"))
    let result = try diff(
      ["k.ng:norm", "k.ng:other_epsilon", "--input", "x=x.npy", "gain=g.npy"], in: directory)
    #expect(result.status == 1)
    #expect(!result.output.contains("seed "))
    #expect(result.output.contains("the bits differ: 74 of 74 elements"))
  }

  @Test(arguments: [
    (["k.ng:norm"], 64, "expected B, --source FILE.c, or two targets to compare A on"),
    (["k.ng:norm", "k.ng:norm", "--source", "bad.c"], 64, "found B ('k.ng:norm') besides"),
    (["k.ng:norm", "k.ng:norm", "--target", "a", "b", "c"], 64, "A's and B's, found 3"),
    (["k.ng:norm", "k.ng:norm", "--rows=-1"], 64, "--rows: expected numbers from 0 on"),
    (["k.ng:norm", "k.ng:norm", "--threads", "0"], 64, "expected a number from 1 on, found 0"),
    (
      ["k.ng:norm", "k.ng:norm", "--rows", "1", "--input", "x=x.npy"], 64,
      "--input: can't go with --rows, --adversarial or --seed"
    ),
    (["k.ng:norm", "k.ng"], 1, "k.ng holds 5 kernels"),
    (["k.ng:absent", "k.ng:norm"], 1, "k.ng: no kernel is named 'absent'"),
    (["k.ng:norm@avx9", "k.ng:norm"], 1, "no target is named 'avx9'"),
    (["k.ng:norm", "absent.c"], 1, "absent.c: "),
    (["k.ng:norm", "absent.so"], 1, "absent.so cannot be loaded into this process: "),
    (["bad.c", "bad.c"], 1, "'bad.c' and 'bad.c' are code: name the kernel that they compute"),
    (["k.ng:norm", "empty.c"], 1, "empty.c: expected the function 'norm_portable_entry' or "),
    (["k.ng:norm", "bad.c"], 1, "bad.c: "),
    (["k.ng:norm", "bad.c"], 1, ":2:"),
    (["k.ng:norm", "bad.c"], 1, "expected expression"),
    (["k.ng:norm", "bad.c@avx2"], 1, "expected the function 'norm_avx2_entry', found "),
    (["k.ng:norm", "declared.c"], 1, "undefined symbol"),
    (["k.ng:norm", "k.ng:narrow"], 1, "input 'x': A has f32[rows, 37], B has bf16[rows, 37]"),
    (["k.ng:norm", "k.ng:narrow"], 1, "input 'gain': A has f32[37], B has none"),
    (["k.ng:norm", "k.ng:narrow"], 1, "input 'shift': A has none, B has f32[37]"),
    (["k.ng:norm", "k.ng:narrow"], 1, "output 'z': A has none, B has f32[rows, 37]"),
  ])
  func whatCannotBeComparedIsRefused(
    _ arguments: [String], _ status: Int32, _ message: String
  ) throws {
    let directory = try directory()
    try directory.write("int y;\n", to: "empty.c")
    try directory.write("void norm_portable_entry(void) {\n  int x = ;\n}\n", to: "bad.c")
    try directory.write("void norm_portable_entry(void);\n", to: "declared.c")
    let result = try diff(arguments, in: directory)
    #expect(result.status == status)
    #expect(result.errors.hasPrefix("error: "))
    #expect(result.errors.contains(message), "\(result.errors)")
  }

  @Test func codeOfATargetThatDoesNotRunHereIsRefused() throws {
    guard !HostCPU.current.supports(.neon) else { return }
    let directory = try directory()
    let program = "void norm_neon_entry(void) {}\n"
    try directory.write(program, to: "n.c")
    let compiled = try CommandLineFixture.run(
      "gcc", ["-shared", "-fPIC", "n.c", "-o", "n.so"], in: directory)
    #expect(compiled.status == 0, "\(compiled.errors)")
    let result = try diff(["k.ng:norm@portable", "n.so"], in: directory)
    #expect(result.status == 1)
    #expect(result.errors.contains("kernels for 'neon' do not run on this"), "\(result.errors)")
  }
}
