public import NormGen

/// What a call from Swift costs besides the C function's own work.
public struct CallOverhead: Sendable, Codable {
  /// Seconds of a bound call of a kernel without rows: the call, and a test in C.
  public let boundSeconds: Double
  /// Seconds of a checked call of a kernel without rows: checks of all parameters, then the call.
  public let checkedSeconds: Double

  /// Measures the calls of `kernel`.
  public init(_ kernel: CompiledKernel) throws {
    let memory = try BenchmarkMemory(for: kernel, rows: 1, seed: 1)
    let bound = try kernel.bound(rows: 0, memory.arguments)
    let timing = InterleavedTiming(
      rounds: 15, roundSeconds: 0.001,
      [
        { bound() },
        {
          // The arguments fit, so that the call cannot fail.
          try? kernel(rows: 0, memory.arguments)
        },
      ])
    boundSeconds = timing.median(0)
    checkedSeconds = timing.median(1)
  }
}

/// How long the way from a graph to callable code takes.
public struct CompileTime: Sendable, Codable {
  /// Seconds of a process's first compilation: Clang and LLVM are initialized too.
  public let firstSeconds: Double
  /// Median seconds from a graph to callable code with the compiler.
  public let coldSeconds: Double
  /// Median seconds from a graph to callable code with the disk cache.
  public let cachedSeconds: Double

  /// Measures `graph` with objects kept in `cacheDirectory`.
  ///
  /// For ``firstSeconds`` to be one, nothing may have been compiled in this process before.
  public init(_ graph: Graph, compiler: Compiler, cacheDirectory: String) throws {
    var cold = compiler
    cold.cache = .none
    var cached = compiler
    cached.cache = .directory(cacheDirectory)
    firstSeconds = try CompileTime.seconds { _ = try cold.compile(graph) }
    _ = try cached.compile(graph)
    var coldTimes: [Double] = []
    var cachedTimes: [Double] = []
    for _ in 0..<9 {
      coldTimes.append(try CompileTime.seconds { _ = try cold.compile(graph) })
      cachedTimes.append(try CompileTime.seconds { _ = try cached.compile(graph) })
    }
    coldSeconds = Spread(coldTimes).median
    cachedSeconds = Spread(cachedTimes).median
  }

  private static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    return try clock.measure(body) / .seconds(1)
  }
}
