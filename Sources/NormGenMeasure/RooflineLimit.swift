/// The roofline's bound on a call: no less than computing, and no less than reading the bytes.
public struct RooflineLimit: Sendable, Codable {
  /// Which of the two takes longer.
  public enum Binding: String, Hashable, Sendable, Codable {
    /// Arithmetic at the rate of ``RooflineLimit/peak``.
    case arithmetic
    /// Reading as many bytes as the call moves, where they lie.
    case bandwidth
  }

  /// The rate that arithmetic is held against.
  public let peak: Peak
  /// What binds, by the medians.
  public let binding: Binding
  /// The longer of both times, round by round, in seconds.
  public let seconds: Spread
  /// The operations at ``peak``, in seconds.
  public let computeSeconds: Spread
  /// Reading as many bytes as the call moves, in seconds.
  public let readSeconds: Spread

  init(peak: Peak, computeSeconds: Spread, readSeconds: Spread, seconds: Spread) {
    self.peak = peak
    self.binding = computeSeconds.median > readSeconds.median ? .arithmetic : .bandwidth
    self.seconds = seconds
    self.computeSeconds = computeSeconds
    self.readSeconds = readSeconds
  }
}
