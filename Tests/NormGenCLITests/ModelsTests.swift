import Foundation
import NormGen
@testable import NormGenCLI
import Testing

@Suite struct ModelsTests {
  private static let sites = Matmul.Accumulation.allCases.flatMap { accumulation in
    Models.sites(accumulate: accumulation)
  }

  @Test(arguments: Matmul.Accumulation.allCases)
  func namesTellSitesApart(_ accumulation: Matmul.Accumulation) {
    let sites = Models.sites(accumulate: accumulation)
    #expect(Set(sites.map(\.kernel.name)).count == sites.count)
    #expect(Set(Models.names).count == Models.names.count)
    #expect(Set(sites.map(\.model)) == Set(Models.names))
    #expect(sites.allSatisfy { !$0.rows.isEmpty })
  }

  @Test(arguments: Target.general)
  func everySiteIsPlannedAndEmitted(for target: Target) throws {
    for site in ModelsTests.sites {
      let lowering = try Compiler(target: target).lower(site.kernel)
      #expect(lowering.source.source.contains(site.kernel.name))
      let text = GraphPrinter.text(of: lowering.graph)
      #expect(try GraphParser.graphs(in: text) == [lowering.graph])
    }
  }

  @Test func sitesHaveTheModelsExtents() throws {
    let expected: [String: [[Int]]] = [
      "baichuan_7b_pack": [[4096, 12288]],
      "baichuan_7b_attention_output": [[4096, 4096]],
      "baichuan_7b_feed_forward": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_pack_q4_0": [[4096, 12288]], "baichuan_7b_pack_q8_0": [[4096, 12288]],
      "baichuan_7b_feed_forward_q4_0": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_feed_forward_q8_0": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_pack_q4_0_int8": [[4096, 12288]], "baichuan_7b_pack_q8_0_int8": [[4096, 12288]],
      "baichuan_7b_feed_forward_q4_0_int8": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_feed_forward_q8_0_int8": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_pack_u4_g128": [[4096, 12288]],
      "baichuan_7b_pack_u4_g128_int8": [[4096, 12288]],
      "baichuan_7b_feed_forward_u4_g128": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_feed_forward_u4_g128_int8": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_7b_pack_i8_int8": [[4096, 12288]],
      "baichuan_7b_feed_forward_i8_int8": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "baichuan_llama_7b_qkv": [[4096, 4096], [4096, 4096], [4096, 4096]],
      "gemma_2_2b_qkv": [[2304, 2048], [2304, 1024], [2304, 1024]],
      "gemma_2_2b_attention_output": [[2048, 2304]],
      "gemma_2_2b_feed_forward": [[2304, 9216], [2304, 9216], [9216, 2304]],
      "gemma_scope_features": [[2304, 16384]],
      "gemma_scope_transcoder": [[2304, 16384], [16384, 2304]],
      "idefics_9b_qk": [[4096, 4096], [4096, 4096]],
      "idefics_9b_cross_attention_output": [[4096, 4096]],
      "idefics_9b_feed_forward": [[4096, 11008], [4096, 11008], [11008, 4096]],
      "idefics_perceiver_qk": [[1280, 1536], [1280, 1536]],
      "idefics_80b_qk": [[8192, 8192], [8192, 8192]],
      "idefics_80b_cross_attention_output": [[8192, 8192]],
      "idefics_80b_feed_forward": [[8192, 22016], [8192, 22016], [22016, 8192]],
      "refact_qkv": [[2048, 2048], [2048, 64], [2048, 64]],
      "refact_feed_forward": [[2048, 5632], [2048, 5632], [5632, 2048]],
      "llama_3_8b_qkv": [[4096, 6144]],
      "llama_3_8b_gated": [[4096, 14336], [4096, 14336]],
      "mindspore_rms_norm": [], "mindspore_rms_norm_bias": [],
      "mirage_rms_linear_4096": [[4096, 4096]], "mirage_rms_linear_6144": [[4096, 6144]],
      "mirage_rms_linear_28672": [[4096, 28672]], "mirage_linear_rms_4096": [[4096, 4096]],
      "mirage_ngpt_4096": [[4096, 4096]], "mirage_gated_4096": [[4096, 4096], [4096, 4096]],
    ]
    var found: [String: [[Int]]] = [:]
    for site in Models.sites() {
      let graph = try site.kernel.graph()
      found[graph.name] = try graph.values.compactMap { id in
        guard case .matmul(let matmul) = graph[id].op else { return nil }
        let extents = try matmul.extents(of: graph[graph[id].operands[1]].shape)
        return [extents.inputs, extents.outputs]
      }
    }
    for (name, products) in expected {
      #expect(found[name]?.sorted { $0[1] < $1[1] } == products.sorted { $0[1] < $1[1] }, "\(name)")
    }
    #expect(Set(found.keys) == Set(expected.keys))
  }

  @Test func theLicenceIsForSitesInBF16() throws {
    for site in Models.sites(accumulate: .bf16Dot) {
      let graph = try site.kernel.graph()
      let isBF16 = graph.outputs.allSatisfy { $0.storage == .bf16 }
      let own: Matmul.Accumulation = site.model.hasSuffix("int8 rows") ? .int8 : .fused
      for node in graph.nodes {
        guard case .matmul(let matmul) = node.op else { continue }
        #expect(matmul.accumulation == (isBF16 ? .bf16Dot : own), "\(graph.name)")
      }
    }
  }

  @Test func aModelIsCheckedAndTimed() throws {
    let result = try CommandLineFixture.normgen(
      ["models", "--model", "refact-1.6b", "--rows", "1", "--rounds", "3", "--json"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.errors.isEmpty)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    #expect(report["checkedRows"] as? Int == 1)
    let sites = try #require(report["sites"] as? [[String: Any]])
    #expect(sites.map { $0["kernel"] as? String } == ["refact_qkv", "refact_feed_forward"])
    let site = try #require(sites.first)
    #expect(site["model"] as? String == "Refact-1.6B")
    #expect(site["types"] as? [String] == ["bf16"])
    #expect(site["products"] as? [[Int]] == [[2048, 2048], [2048, 64], [2048, 64]])
    #expect(site["passes"] as? Bool == true)
    let check = try #require(site["check"] as? [String: Any])
    #expect(check["elements"] as? Int == 2176)
    #expect(check["failures"] as? Int == 0)
    #expect(check["unfusedAgrees"] as? Bool == true)
    let timings = try #require(site["timings"] as? [[String: Any]])
    let timing = try #require(timings.first)
    #expect(timings.count == 1)
    #expect(timing["rows"] as? Int == 1)
    #expect(timing["matmulOperations"] as? Int == 2 * 2048 * 2176)
    // x, gain and weights read, q, k and v written: two bytes each.
    #expect(timing["bytes"] as? Int == 2 * (2048 + 2048 + 2048 * 2176 + 2176))
    for name in ["seconds", "unfusedSeconds", "gain"] {
      let spread = try #require(timing[name] as? [String: Double])
      let lower = try #require(spread["lowerQuartile"])
      let median = try #require(spread["median"])
      #expect(lower > 0 && lower <= median && median <= spread["upperQuartile"] ?? 0)
    }
  }

  @Test func rowNormsHaveNoUnfusedForm() throws {
    let result = InProcessResult.of(["models", "--model", "MindSpore norm.py", "--check-only"])
    #expect(result.status == 0, "\(result.errors)")
    let lines = result.output.split(separator: "\n").filter { $0.hasPrefix("MindSpore") }
    #expect(lines.count == 2)
    #expect(lines.allSatisfy { $0.contains("  ok  ") && $0.hasSuffix("-") })
    let timed = InProcessResult.of(
      [
        "models", "--model", "MindSpore norm.py", "--time-only", "--rows", "1", "3", "--rounds",
        "3", "--threads", "2", "--markdown",
      ])
    #expect(timed.status == 0, "\(timed.errors)")
    let rows = timed.output.split(separator: "\n").filter { $0.hasPrefix("| MindSpore") }
    #expect(rows.count == 4)
    #expect(rows.allSatisfy { $0.contains("| not checked |") })
  }

  @Test func anUnknownModelNamesAll() {
    let result = InProcessResult.of(["models", "--model", "gpt"])
    #expect(result.status == 1)
    #expect(result.output.isEmpty)
    #expect(
      result.errors == "error: no model is named 'gpt'; known: Baichuan-7B, baichuan-llama-7b, "
        + "Baichuan-7B in q4_0, "
        + "Baichuan-7B in q4_0, int8 rows, Baichuan-7B in q8_0, Baichuan-7B in q8_0, int8 rows, "
        + "Baichuan-7B in u4_g128, Baichuan-7B in u4_g128, int8 rows, "
        + "Baichuan-7B in i8, int8 rows, "
        + "Gemma-2-2B, Gemma Scope transcoder, "
        + "idefics-9b, idefics-80b, Refact-1.6B, "
        + "LLaMA-3-8B, MindSpore norm.py, Mirage\n")
  }

  @Test(
    arguments: [
      (["--rows", "0"], "--rows: expected numbers from 1 to 4096, found 0"),
      (["--check-rows", "65"], "--check-rows: expected a number from 1 to 64, found 65"),
      (["--threads", "0"], "--threads: expected a number from 1 to 256, found 0"),
      (["--rounds", "2"], "--rounds: expected at least 3, found 2"),
      (["--accumulate", "f64"], "--accumulate: expected fused or bf16_dot, found 'f64'"),
      (["--check-only", "--time-only"], "choose one of --check-only and --time-only"),
      (["--check-only", "--rows", "1"], "--rows: the rows to time"),
      (["--json", "--markdown"], "choose one of --json and --markdown"),
    ])
  func optionsThatMeanNothingAreErrors(_ arguments: [String], _ message: String) {
    let result = InProcessResult.of(["models"] + arguments)
    #expect(result.status == 64)
    #expect(result.errors.contains(message), "\(result.errors)")
  }
}
