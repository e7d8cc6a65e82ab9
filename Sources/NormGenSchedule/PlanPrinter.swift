import NormGenIR
import NormGenLoops

/// Prints plans for `explain` and for goldens.
public enum PlanPrinter {
  /// The regions of `plan` in order, with the products and panels between them.
  public static func text(of plan: KernelPlan) -> String {
    var parts = plan.computedWeights.map { weights in
      let sources = weights.sources.map { source in
        let start = source.offset == 0 ? "" : " from \(source.offset) on"
        return (source.name == source.parameter ? "" : "\(source.name) = ") + source.parameter
          + start
      }
      return "weights \(weights.name): \(weights.storage.rawValue) \(weights.shape), computed from "
        + "\(sources.joined(separator: ", ")) when they are packed\n"
        + RegionPrinter.text(of: weights.region)
    }
    let views = plan.views.map { view -> String in
      let use = view.value == nil ? "written" : "read"
      return "view \(view.name): \(view.base) from column \(view.offset) on, \(use)\n"
    }
    if !views.isEmpty { parts.append(views.joined()) }
    let panels = plan.panelsByValue
    for stage in plan.stages {
      parts += stage.regions.map { RegionPrinter.text(of: $0) }
      let products = stage.products.map { id -> String in
        let operands = plan.graph[id].operands
        let rows = panels[operands[0]]?.first?.name ?? ""
        let sums = panels[id]?.first { $0.storage == .f32 }?.name ?? ""
        let shape = plan.graph[operands[1]].shape
        return "product \(sums) = \(rows) × \(plan.graph.weightsName(of: id) ?? "") \(shape)\n"
      }
      if !products.isEmpty { parts.append(products.joined()) }
    }
    return parts.joined(separator: "\n")
  }
}
