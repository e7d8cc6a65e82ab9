/// The roofline's bound on a call: no less than computing, and no less than moving the bytes.
public struct RooflineLimit: Sendable, Codable {
  /// Which of the two takes longer.
  public enum Binding: String, Hashable, Sendable, Codable {
    /// Arithmetic at the rate of ``RooflineLimit/peak``.
    case arithmetic
    /// Moving as many bytes as the call, where they lie.
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
  /// Moving as many bytes as the call, in seconds: the faster of reading them all where they lie
  /// and, beyond the second-level cache, of reading the inputs and writing the outputs past the
  /// caches.
  public let moveSeconds: Spread

  init(peak: Peak, computeSeconds: Spread, moveSeconds: Spread, seconds: Spread) {
    self.peak = peak
    self.binding = computeSeconds.median > moveSeconds.median ? .arithmetic : .bandwidth
    self.seconds = seconds
    self.computeSeconds = computeSeconds
    self.moveSeconds = moveSeconds
  }
}
