import NormGen
@testable import NormGenSchedule
import Testing

@Suite struct RegionTests {
  private static let text = """
    kernel chain(x: bf16[rows, 48], residual: bf16[rows, 48], gain: bf16[48]) {
      hidden = x + rms_norm(residual, gain: gain, epsilon: 1e-6)
      mean_hidden = mean(hidden, leading: 6)
      y = hidden - mean_hidden
    } -> hidden, y, mean_hidden

    """

  private func region(of text: String = text) throws -> Region {
    let graph = try #require(try GraphParser.graphs(in: text).first)
    return try #require(try FusionPlanner.plan(of: graph).regions.first)
  }

  @Test func thePrinterListsPassesWithTheirValues() throws {
    #expect(
      RegionPrinter.text(of: try region()) == """
        region chain: rows of 48, 3 passes
        pass 1
          row     x = input bf16[rows, 48]
          row     residual = input bf16[rows, 48]
          row     gain = input bf16[48]
          reduce  mean_square = mean of residual·residual over all 48
        pass 2
          scalar  %6 = add(mean_square, 1e-06)
          scalar  %7 = squareRoot(%6)
          scalar  inv_rms = divide(1.0, %7)
          row     %9 = multiply(residual, inv_rms)
          row     %10 = multiply(%9, gain)
          row     hidden = add(x, %10)
          reduce  mean_hidden = mean of hidden over the first 6
        pass 3
          row     y = subtract(hidden, mean_hidden)
          store   mean_hidden: f32 = mean_hidden, one a row
          store   hidden: bf16 = hidden
          store   y: bf16 = y

        """)
  }

  @Test func everyPlannedRegionOfTheCatalogIsConsistent() throws {
    for entry in Catalog.standard.entries {
      for region in try FusionPlanner.plan(of: try entry.kernel.graph()).regions {
        try RegionVerifier.verify(region)
      }
    }
  }

  /// The region with some of its parts replaced.
  private func edited(
    roles: [Region.Role]? = nil, levels: [Int]? = nil, passes: [Region.Pass]? = nil,
    parameterShapes: [String: Shape]? = nil
  ) throws -> Region {
    let region = try region()
    return Region(
      graph: region.graph, rowExtent: region.rowExtent, outerExtents: region.outerExtents,
      roles: roles ?? region.roles, levels: levels ?? region.levels,
      passes: passes ?? region.passes,
      parameterShapes: parameterShapes ?? region.parameterShapes)
  }

  private func message(of region: Region) -> String {
    do throws(RegionError) {
      try RegionVerifier.verify(region)
      return "accepted"
    } catch {
      return error.message
    }
  }

  @Test func aWrongRoleIsRefused() throws {
    var roles = try region().roles
    roles[0] = .scalar
    #expect(
      message(of: try edited(roles: roles)) == "value 0 of shape [rows, 48] can't be a scalar")
  }

  /// In rows of one element shapes do not tell rows and scalars apart.
  @Test func aScalarComputedFromARowIsRefused() throws {
    let region = try region(of: "kernel one(x: f32[rows, 1]) { y = -x } -> y")
    let wrong = Region(
      graph: region.graph, rowExtent: 1, outerExtents: [], roles: [.row, .scalar],
      levels: region.levels, passes: region.passes, parameterShapes: [:])
    #expect(message(of: wrong) == "value 1, a scalar, is computed from value 0, a row")
  }

  /// The region with a named value at another level.
  private func edited(_ name: String, level: Int) throws -> Region {
    let region = try region()
    let index = try #require(region.graph.nodes.firstIndex { $0.name == name })
    var levels = region.levels
    levels[index] = level
    return try edited(levels: levels)
  }

  @Test func aValueComputedBeforeItsOperandsIsRefused() throws {
    #expect(
      message(of: try edited("hidden", level: 0))
        == "value 11 is computed in pass 1 from value 10, known in pass 2")
  }

  @Test func aStatisticKnownInItsOwnPassIsRefused() throws {
    #expect(
      message(of: try edited("mean_hidden", level: 1)).hasSuffix(
        "can't be known in pass 2, it is accumulated in pass 2"))
  }

  @Test func missingRolesAreRefused() throws {
    #expect(message(of: try edited(roles: [])).contains("values have 0 roles"))
  }

  /// The passes, each changed by `change`.
  private func passes(
    _ change: (Int, Region.Pass) -> Region.Pass
  ) throws -> [Region.Pass] {
    try region().passes.enumerated().map { change($0.offset, $0.element) }
  }

  @Test func aStatisticThatIsNeverAccumulatedIsRefused() throws {
    let passes = try passes { _, pass in
      Region.Pass(statistics: [], stores: pass.stores, scalarStores: pass.scalarStores)
    }
    let message = message(of: try edited(passes: passes))
    #expect(message.hasSuffix("is never accumulated"))
  }

  @Test func aStatisticAccumulatedBeforeItsTermsIsRefused() throws {
    let statistics = try region().passes.flatMap(\.statistics)
    let passes = try passes { number, pass in
      Region.Pass(
        statistics: number == 0 ? statistics : [], stores: pass.stores,
        scalarStores: pass.scalarStores)
    }
    let message = message(of: try edited(passes: passes))
    #expect(message.hasSuffix("is computed in pass 1 from value 11, known in pass 2"))
  }

  @Test func aStatisticThatIsAccumulatedTwiceIsRefused() throws {
    let passes = try passes { _, pass in
      Region.Pass(
        statistics: pass.statistics + pass.statistics, stores: pass.stores,
        scalarStores: pass.scalarStores)
    }
    #expect(message(of: try edited(passes: passes)).hasSuffix("is accumulated twice"))
  }

  @Test func anOutputThatIsNeverStoredIsRefused() throws {
    let passes = try passes { _, pass in
      Region.Pass(
        statistics: pass.statistics, stores: pass.stores.filter { $0 != 1 },
        scalarStores: pass.scalarStores)
    }
    #expect(message(of: try edited(passes: passes)) == "'y' is stored 0 times")
  }

  @Test func anOutputThatIsStoredTooEarlyIsRefused() throws {
    let passes = try passes { number, pass in
      Region.Pass(
        statistics: pass.statistics,
        stores: pass.stores.filter { $0 != 1 } + (number == 0 ? [1] : []),
        scalarStores: pass.scalarStores)
    }
    #expect(
      message(of: try edited(passes: passes)) == "'y' is stored in pass 1, known in pass 3")
  }

  @Test func aRowStoredAsAScalarIsRefused() throws {
    let passes = try passes { _, pass in
      Region.Pass(
        statistics: pass.statistics, stores: [], scalarStores: pass.scalarStores + pass.stores)
    }
    #expect(message(of: try edited(passes: passes)) == "'hidden' is stored as a scalar")
  }

  @Test func anIndexBeyondTheOutputsIsRefused() throws {
    let passes = try passes { _, pass in
      Region.Pass(statistics: pass.statistics, stores: [7], scalarStores: [])
    }
    #expect(message(of: try edited(passes: passes)) == "pass 1 stores output 7")
  }

  @Test func aShapeOfNoParameterIsRefused() throws {
    var shapes = try region().parameterShapes
    shapes["other"] = .scalar
    #expect(
      message(of: try edited(parameterShapes: shapes))
        == "it gives a shape to 'other', which is no parameter")
    shapes["other"] = nil
    shapes["gain"] = Shape(hasRows: false, extents: [47])
    #expect(
      message(of: try edited(parameterShapes: shapes)) == "'gain' of shape [47] is seen as [48]")
  }
}
