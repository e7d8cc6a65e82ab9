import Foundation
import NormGen
@testable import NormGenCLI
import Testing

/// The emitted pair as a C programmer uses it: copied beside a program, compiled, run.
@Suite struct EmittedProgramTests {
  private static let rows = 5
  private static let extent = 37

  /// Prints the bits of the kernel's output on inputs that `inputs()` makes as well.
  private static func program(_ target: String) -> String {
    """
    #include "small_norm_\(target).h"
    #include <stdio.h>
    #include <string.h>

    int main(void) {
      float x[\(rows * extent)], gain[\(extent)], y[\(rows * extent)];
      for (int i = 0; i < \(rows * extent); ++i) x[i] = (float)(i * 7 % 23 - 11) / 8;
      for (int i = 0; i < \(extent); ++i) gain[i] = 1 + (float)(i % 5) / 4;
      small_norm_\(target)(\(rows), x, \(extent), gain, y, \(extent));
      for (int i = 0; i < \(rows * extent); ++i) {
        uint32_t bits;
        memcpy(&bits, y + i, sizeof bits);
        printf("%u\\n", bits);
      }
      return 0;
    }

    """
  }

  private static func inputs() throws -> [String: HostTensor] {
    let x = (0..<rows * extent).map { Float($0 * 7 % 23 - 11) / 8 }
    let gain = (0..<extent).map { 1 + Float($0 % 5) / 4 }
    return [
      "x": try HostTensor(x, shape: [rows, extent]),
      "gain": try HostTensor(gain, shape: [extent]),
    ]
  }

  private static let targets = [Target.portable, .avx2].filter(HostCPU.current.supports)

  @Test(arguments: ["gcc", "clang"], EmittedProgramTests.targets)
  func theEmittedPairCompilesAndAgreesWithTheOracle(_ compiler: String, _ target: Target) throws {
    let directory = try TestDirectory()
    try directory.write(TestKernels.text, to: "small.ng")
    let emitted = try CommandLineFixture.normgen(
      ["emit", "small.ng", "--target", target.name], in: directory)
    #expect(emitted.status == 0, "\(emitted.errors)")
    try directory.write(Self.program(target.name), to: "main.c")
    let compiled = try CommandLineFixture.run(
      compiler,
      [
        "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "main.c",
        "small_norm_\(target.name).c", "-o", "program",
      ], in: directory)
    #expect(compiled.status == 0, "\(compiled.errors)")
    let run = try CommandLineFixture.run(directory.path("program"), [], in: directory)
    #expect(run.status == 0)
    let bits = run.output.split(separator: "\n").compactMap { UInt32($0) }
    let tensor = try HostTensor(
      bits.map { Float(bitPattern: $0) }, shape: [Self.rows, Self.extent])
    let graph = try #require(try GraphParser.graphs(in: TestKernels.text).first)
    let oracle = try GraphInterpreter.outputs(
      of: graph, rows: Self.rows, inputs: try Self.inputs())
    let agreement = Agreement(kernel: tensor, oracle: oracle[0])
    #expect(agreement.passes, "\(agreement)")
    #expect(agreement.count == Self.rows * Self.extent)
  }
}
