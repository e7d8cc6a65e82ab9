import Foundation
import NormGen
@testable import NormGenC
@testable import NormGenDSL
import Testing

/// The numeric contract's sentences about single cases, on every target that runs here.
@Suite struct ClaimTests {
  private static let targets = Target.general.filter(HostCPU.current.supports)

  private func y(
    _ tensor: Tensor, _ x: [Float], _ target: Target, _ others: [String: [Float]] = [:]
  ) throws -> [Float] {
    let graph = try Kernel("claim", tensor).graph()
    let width = graph.nodes.map(\.shape.rowExtent).max() ?? 1
    var inputs = ["x": try HostTensor(x, shape: [x.count / width, width])]
    for (name, values) in others {
      inputs[name] = try HostTensor(values, shape: [values.count])
    }
    let outputs = try Compiler(target: target).compile(graph)(inputs)
    let found = try #require(outputs["y"])
    let oracle = try GraphInterpreter.outputs(
      of: graph, rows: x.count / width, inputs: inputs)
    let agreement = Agreement(kernel: found, oracle: oracle[0])
    #expect(agreement.passes && agreement.vacuous == 0, "\(agreement)")
    return found.doubles.map { Float($0) }
  }

  @Test(arguments: ClaimTests.targets)
  func sumsFollowTheCanonicalOrder(target: Target) throws {
    var generator = SeededGenerator(seed: 3)
    for count in [1, 100, 4096, 10000] {
      let values = (0..<count).map { _ in Float(generator.normal()) }
      let x = Tensor.input("x", [.rows, .fixed(count)], .f32)
      let sum = try y((x * x).sum(), values, target)
      #expect(sum == [canonicalSumOfSquares(values)])
    }
  }

  @Test(arguments: ClaimTests.targets)
  func overflowingMeanSquareGivesZero(target: Target) throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let rows: [Float] = [1e30, -1, 0, 2, 3, 3, -3, 3]
    for semantics in [RMSNormSemantics.fused, .onnx] {
      let found = try y(x.rmsNorm(epsilon: 0, semantics: semantics), rows, target)
      #expect(found == [0, 0, 0, 0, 1, 1, -1, 1])
      #expect(found[1].sign == .minus)
    }
    let shift = Tensor.input("shift", [4], .f32)
    let layer = try y(
      x.layerNorm(shift: shift), Array(rows[0..<4]), target, ["shift": [1, 2, 3, 4]])
    #expect(layer == [1, 2, 3, 4])
  }

  @Test(arguments: ClaimTests.targets)
  func specialElementsStayInTheirRow(target: Target) throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let rows: [Float] = [.nan, 1, 1, 1, .infinity, 1, 1, 1, 3, 3, 3, 3]
    let found = try y(x.rmsNorm(epsilon: 0), rows, target)
    #expect(found[0..<4].allSatisfy { $0.isNaN })
    // 1/√∞ is 0: the infinite element gives NaN, the finite ones 0.
    #expect(found[4].isNaN && found[5..<8] == [0, 0, 0])
    #expect(found[8...] == [1, 1, 1, 1])
    let layer = try y(x.layerNorm(epsilon: 0), Array(rows[4..<8]), target)
    #expect(layer.allSatisfy { $0.isNaN })
  }

  @Test(arguments: ClaimTests.targets)
  func zeroRowsFollowEpsilon(target: Target) throws {
    let x = Tensor.input("x", [.rows, 4], .f32)
    let zeros = [Float](repeating: 0, count: 4)
    #expect(try y(x.rmsNorm(), zeros, target) == zeros)
    let bare = RMSNormSemantics(epsilonPlacement: .none)
    let divided = try y(x.rmsNorm(semantics: bare), zeros, target)
    #expect(divided.allSatisfy { $0.isNaN })
    let none = try y(x.rmsNorm(), [], target)
    #expect(none.isEmpty)
  }

  @Test(arguments: ClaimTests.targets, DType.allCases)
  func denormalsAreKept(target: Target, type: DType) throws {
    let least = type.ulp(at: 0)
    let tensor = Tensor.input("x", [.rows, 64], type)
    let graph = try Kernel("claim", tensor * 1).graph()
    let values = (0..<64).map { type.rounded(Double($0 - 32) * least) }
    let x = try HostTensor(values, shape: [1, 64], type)
    let outputs = try Compiler(target: target).compile(graph)(["x": x])
    #expect(try #require(outputs["y"]).doubles == values)
  }

  @Test func presetTablesAreTheCode() throws {
    let article = try Repository.article("SemanticsPresets")
    for (name, preset) in RMSNormSemantics.named {
      let line =
        "| `\(name)` | \(preset.epsilonPlacement.rawValue) | \(preset.scaling.rawValue) | "
        + "\(preset.normalizedRounding.rawValue) | \(preset.gainRounding.rawValue) | "
        + "\(preset.resultRounding.rawValue) | \(Int(preset.gainOffset)) |"
      #expect(article.contains(line: line), "\(line)")
    }
    for (name, preset) in LayerNormSemantics.named {
      let line =
        "| `\(name)` | \(preset.centring.rawValue) | \(preset.epsilonPlacement.rawValue) | "
        + "\(preset.scaling.rawValue) | \(preset.affine.rawValue) | \(preset.normalizedRounding.rawValue) | "
        + "\(preset.gainRounding.rawValue) | \(preset.resultRounding.rawValue) |"
      #expect(article.contains(line: line), "\(line)")
    }
  }

  @Test func boundsOfElementaryFunctionsAreTheCode() throws {
    let article = try Repository.article("NumericContract")
    for function in ElementaryFunction.allCases {
      let bound = function.ulpBound
      let text = bound == bound.rounded() ? "\(Int(bound))" : "\(bound)"
      let row = article.lines.first { $0.hasPrefix("| \(function.rawValue) | \(text) |") }
      #expect(row != nil, "\(function) \(text)")
    }
  }

  @Test func elementaryErrorsAreTheRecord() throws {
    struct Record: Decodable {
      struct Side: Decodable {
        let ulps: Double
        let at: String
        let of_argument: String?
      }
      struct Function: Decodable {
        let function: String
        let negative: Side?
        let positive: Side?
      }
      let processor: String
      let functions: [Function]
    }
    let text = try Repository.text("Benchmarks/elementary/errors.json")
    let record = try JSONDecoder().decode(Record.self, from: Data(text.utf8))
    let article = try Repository.article("NumericContract")
    #expect(article.prose.contains("measured on an \(record.processor)"))
    for entry in record.functions where !["sqrt", "fma"].contains(entry.function) {
      let sides = [entry.negative, entry.positive].compactMap { $0 }
      let worst = try #require(sides.max { $0.ulps < $1.ulps })
      var ends = " | \(String(format: "%.3f", worst.ulps)) | `\(worst.at)` |"
      if let part = entry.negative?.of_argument, let positive = entry.positive {
        let share = try #require(Double(part)) * 0x1p24
        ends =
          "| \(entry.function) | \(String(format: "%.3f", positive.ulps)) | `\(positive.at)` | "
          + "\(String(format: "%.3g", worst.ulps)) | \(String(format: "%.2f", share)) · 2⁻²⁴ · \\|x\\| |"
      }
      let isThere = article.lines.contains {
        $0.hasPrefix("| \(entry.function) |") && $0.hasSuffix(ends)
      }
      #expect(isThere, "\(entry.function)\(ends)")
    }
  }

  @Test func readmeCountsTheCatalog() throws {
    let sentence = "`Generated/` holds \(Catalog.standard.entries.count) kernels"
    #expect(try Repository.text("README.md").contains(sentence), "\(sentence)")
  }

  @Test func everyTextFunctionIsDescribed() throws {
    let article = try Repository.article("TextForm")
    for name in TextFunction.library.keys.sorted() + ["select", "reshape"] {
      #expect(article.lines.contains { $0.hasPrefix("| `\(name)(") }, "\(name)")
    }
    for line in article.lines {
      guard let call = line.prefixMatch(of: /\| `(\w+)\(/) else { continue }
      let name = String(call.1)
      #expect(
        TextFunction.library[name] != nil || ["select", "reshape"].contains(name), "\(name)")
    }
  }

  /// What an ISA's template must define beyond the functions shared by all.
  @Test func everyStorageTypeHasItsFunctions() throws {
    for target in Target.general {
      let names = try SupportLibrary.of(target: target).names
      for type in DType.allCases {
        let type = type.rawValue
        for name in [
          "load_\(type)", "load_\(type)_first", "store_\(type)", "store_\(type)_first",
          "put_\(type)", "stream_\(type)",
        ] {
          #expect(names.contains(name), "\(target): \(name)")
        }
        guard type != "f32" else { continue }
        for name in [
          "round_\(type)", "round_\(type)_scalar", "float_from_\(type)",
          "\(type)_from_float",
        ] {
          #expect(names.contains(name), "\(target): \(name)")
        }
      }
    }
  }
}
