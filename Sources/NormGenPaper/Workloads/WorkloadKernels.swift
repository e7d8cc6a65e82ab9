import NormGen
import NormGenMeasure

/// The direction of a step.
enum WorkloadPass: String, CaseIterable, Sendable {
  case forward, backward
}

/// How a step is cut into kernels.
enum WorkloadForm: String, CaseIterable, Sendable {
  /// Each piece is one kernel.
  case fused
  /// Products, sums with their products, and the rows between them are kernels of their own.
  case unfused
}

/// The kernels of a workload in one storage type, bound to memory that all variants share.
struct WorkloadKernels {
  let workload: Workload
  let storage: DType
  private let graphs: [WorkloadPass: [RecurrentNorm: [Graph]]]

  init(_ workload: Workload, storage: DType) throws {
    self.workload = workload
    self.storage = storage
    var graphs: [WorkloadPass: [RecurrentNorm: [Graph]]] = [:]
    for variant in RecurrentNorm.allCases {
      let norm = WorkloadNorm(
        variant: variant, fraction: workload.fraction, storage: storage)
      graphs[.forward, default: [:]][variant] = try workload.pieces.map { try $0.forward(norm) }
      graphs[.backward, default: [:]][variant] = try workload.pieces.map { try $0.backward(norm) }
    }
    self.graphs = graphs
  }

  func graphs(_ pass: WorkloadPass, _ variant: RecurrentNorm) -> [Graph] {
    graphs[pass]?[variant] ?? []
  }

  /// Memory for each piece, with the inputs of both passes and all variants.
  func memories(seed: UInt64) throws -> [CallMemory] {
    try workload.pieces.indices.map { piece in
      var inputs: [String: HostTensor] = [:]
      for variant in RecurrentNorm.allCases {
        for pass in WorkloadPass.allCases {
          let graph = graphs(pass, variant)[piece]
          let names = graph.inputs.compactMap { graph[$0].inputName }
          guard names.contains(where: { inputs[$0] == nil }) else { continue }
          let drawn = try RandomInputs.tensors(for: graph, rows: workload.rows, seed: seed)
          inputs.merge(drawn) { first, _ in first }
        }
      }
      return CallMemory(inputs)
    }
  }

  /// A step: the kernels of every piece, in order; nil where nothing can be unfused.
  func step(
    _ pass: WorkloadPass, _ variant: RecurrentNorm, _ form: WorkloadForm, _ memories: [CallMemory],
    _ compiler: Compiler, _ partCompiler: PartCompiler
  ) throws -> (() -> Void)? {
    guard workload.separates || form == .fused else { return nil }
    var calls: [(kernels: [BoundKernel], repeats: Int)] = []
    var isCut = false
    for (index, graph) in graphs(pass, variant).enumerated() {
      let kernels: [BoundKernel]
      switch form {
      case .fused:
        let kernel = try compiler.compile(graph)
        kernels = [try memories[index].bound(kernel, rows: workload.rows)]
      case .unfused:
        kernels = try UnfusedKernel(graph).parts.map { graph in
          let part = try partCompiler.part(graph)
          return try memories[index].bound(part.kernel, names: part.names, rows: workload.rows)
        }
      }
      isCut = isCut || kernels.count > 1
      calls.append((kernels, workload.pieces[index].repeats))
    }
    guard isCut || form == .fused else { return nil }
    return {
      for call in calls {
        for _ in 0..<call.repeats {
          for kernel in call.kernels { kernel() }
        }
      }
    }
  }
}
