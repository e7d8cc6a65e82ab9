import Foundation
import NormGen
import NormGenSchedule
import Testing

/// Schedules are values that a search writes down and reads again.
@Suite struct ScheduleTests {
  @Test func schedulesSurviveARoundTrip() throws {
    let schedule = Schedule(
      strategy: "row_streaming", streamingBytes: nil, rowTile: 3, prefetchesNextRow: false,
      keeping: KeepingSchedule(leastOutputCost: 1.5, leastScratchCost: 9, scratchElements: 77),
      matmul: MatmulSchedule(
        blockRows: 28, packsWeights: false, mostBlockRows: 5, mostPanelBytes: 1 << 20,
        weightStepsAhead: 3, gatheredBytes: 4096))
    let text = try JSONEncoder().encode(schedule)
    #expect(try JSONDecoder().decode(Schedule.self, from: text) == schedule)
  }

  /// Every knob changes the C of some kernel; extreme ones are lowered all the same.
  @Test func everyKnobReachesTheC() throws {
    func emitted(_ text: String, _ schedule: Schedule) throws -> String {
      var compiler = Compiler(target: .avx2)
      compiler.schedule = schedule
      let graph = try #require(try GraphParser.graphs(in: text).first)
      return try compiler.lower(graph).source.source
    }
    let norm = "kernel k(x: f32[rows, 64], w: f32[64]) {\ny = rms_norm(gelu(x), gain: w)\n} -> y\n"
    let tiled = "kernel k(x: f32[rows, 64], w: f32[64]) {\ny = rms_norm(x, gain: w)\n} -> y\n"
    let product = "kernel k(x: f32[rows, 64], w: f32[64, 64]) {\ny = matmul(x, w)\n} -> y\n"
    let outer =
      "kernel k(x: f32[rows, 640], y: f32[rows, 64]) {\nz = outer_sum(x, y)\n} -> z\n"
    let changes: [(String, (inout Schedule) -> Void)] = [
      (norm, { $0.keeping.leastScratchCost = 1e9 }), (norm, { $0.keeping.scratchElements = 0 }),
      (tiled, { $0.rowTile = .max }), (norm, { $0.streamingBytes = .max }),
      (norm, { $0.streamingBytes = .min }), (norm, { $0.streamingBytes = nil }),
      (product, { $0.matmul.packsWeights = false }), (product, { $0.matmul.mostBlockRows = -1 }),
      (product, { $0.matmul.mostPanelBytes = .min }), (product, { $0.matmul.blockRows = 6 }),
      (product, { $0.matmul.weightStepsAhead = .max }), (outer, { $0.matmul.gatheredBytes = 1 }),
    ]
    for (number, (text, change)) in changes.enumerated() {
      var schedule = Schedule()
      let before = try emitted(text, schedule)
      change(&schedule)
      #expect(try emitted(text, schedule) != before, "change \(number)")
    }
  }
}
