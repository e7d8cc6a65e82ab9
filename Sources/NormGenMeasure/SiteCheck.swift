import NormGen

/// How a site's kernel compares with both interpreters, over all its outputs.
public struct SiteCheck: Sendable, Codable {
  /// The rows that the oracle evaluated.
  public let rows: Int
  /// Elements of all outputs.
  public let elements: Int
  /// Elements that are the oracle's value exactly.
  public let exact: Int
  /// The largest distance in units in the last place of the output's type.
  public let ulps: Double
  /// Elements whose bound says nothing.
  public let unbounded: Int
  /// Elements beyond their bound.
  public let failures: Int
  /// Elements whose bits are not those that the graph fixes.
  public let wrongBits: Int
  /// The largest error as a part of its bound.
  public let worstRatio: Double
  /// Whether the separate kernels gave the same bits.
  public let unfusedAgrees: Bool

  /// Whether every element has its bits and lies inside its bound, whatever way it was computed.
  public var passes: Bool { failures == 0 && wrongBits == 0 && elements > 0 && unfusedAgrees }

  /// Runs a site on `rows` rows and evaluates it with both interpreters.
  public init(_ run: SiteRun, rows: Int) throws {
    let graph = run.graph
    let call = try run.fused(rows: rows)
    call()
    var agrees = true
    if let unfused = try run.unfused(rows: rows) {
      unfused()
      agrees = unfused.agrees(with: call, rows: rows)
    }
    let reference = try ReferenceOutputs(
      of: graph, rows: rows, inputs: try run.inputs(rows: rows))
    let judgements = try graph.outputs.enumerated().map { index, output in
      let shape = graph[output.value].shape.extents(rows: rows)
      let written = try HostTensor(
        bytes: call.bytes(of: output, rows: rows), shape: shape, output.storage)
      return reference.judgement(of: written, output: index)
    }
    let agreements = judgements.map(\.bound)
    self.rows = rows
    elements = agreements.map(\.count).reduce(0, +)
    exact = agreements.map(\.exact).reduce(0, +)
    ulps = agreements.map(\.greatestUlps).max() ?? 0
    unbounded = agreements.map(\.vacuous).reduce(0, +)
    failures = agreements.map(\.failures).reduce(0, +)
    wrongBits = judgements.map(\.exact.differing).reduce(0, +)
    worstRatio = agreements.compactMap { $0.worst?.ratio }.max() ?? 0
    unfusedAgrees = agrees
  }
}
