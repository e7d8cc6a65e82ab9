private import Foundation
import NormGen

/// Classifiers of one kind, one for each norm, trained in turns on the same batches from the same
/// parameters.
struct TrainingRun {
  /// One classifier's course.
  struct Course {
    let norm: RecurrentNorm
    /// The mean loss of a batch before each step.
    var losses: [Double] = []
    /// Seconds of each step: forward, backward and descent.
    var seconds: [Double] = []
    /// The mean loss of all trained images, and of the others, at the end.
    var finalLoss = Double.nan
    var heldOutLoss = Double.nan
  }

  let title: String
  let courses: [Course]

  /// The steps of a whole run, and how many of them the learning rate rises.
  static let plannedSteps = 200
  static let risingSteps = 20

  /// The learning rate: rising, then falling evenly to 0 at the end.
  static func rate(_ highest: Double, step: Int) -> Float {
    let rise = min(1, Double(step + 1) / Double(risingSteps))
    return Float(highest * rise * (1 - Double(step) / Double(plannedSteps)))
  }

  /// - Parameters:
  ///   - steps: The steps that are done of the planned ones.
  ///   - make: Makes the classifier of a norm.
  init<Model: Classifier>(
    _ norms: [RecurrentNorm], steps: Int, seed: UInt64, _ make: (RecurrentNorm) throws -> Model
  ) throws {
    let models = try norms.map(make)
    var courses = norms.map { Course(norm: $0) }
    var order = BatchOrder(seed: seed &+ 1, count: Digits.trainedCount)
    let clock = ContinuousClock()
    for step in 0..<steps {
      let batch = Batch(Digits.all, order.next())
      for turn in models.indices {
        // In rotated order, so that none of them always finds another's caches.
        let index = (turn + step) % models.count
        let model = models[index]
        let start = clock.now
        let loss = try model.loss(batch) / Double(batch.count)
        model.state.clearGradients()
        try model.addGradients(batch)
        model.state.descend(rate: Self.rate(Model.rate, step: step))
        courses[index].seconds.append((clock.now - start) / .seconds(1))
        courses[index].losses.append(loss)
      }
    }
    for (index, model) in models.enumerated() {
      courses[index].finalLoss = try Self.meanLoss(model, 0..<Digits.trainedCount)
      courses[index].heldOutLoss = try Self.meanLoss(
        model, Digits.trainedCount..<Digits.all.labels.count)
    }
    title = Model.title
    self.courses = courses
  }

  private static func meanLoss(_ model: some Classifier, _ images: Range<Int>) throws -> Double {
    var sum = 0.0
    for start in stride(from: images.lowerBound, to: images.upperBound, by: Batch.capacity) {
      let end = min(start + Batch.capacity, images.upperBound)
      sum += try model.loss(Batch(Digits.all, start..<end))
    }
    return sum / Double(images.count)
  }

  subscript(norm: RecurrentNorm) -> Course? { courses.first { $0.norm == norm } }
}

/// Images in batches without repetition, in a new order whenever too few are left.
struct BatchOrder {
  private var random: SeededGenerator
  private let count: Int
  private var rest: ArraySlice<Int> = []

  init(seed: UInt64, count: Int) {
    random = SeededGenerator(seed: seed)
    self.count = count
  }

  /// The next batch's images.
  mutating func next() -> [Int] {
    if rest.count < Batch.capacity {
      var order = Array(0..<count)
      for index in stride(from: count - 1, to: 0, by: -1) {
        order.swapAt(index, Int(random.next() % UInt64(index + 1)))
      }
      rest = order[...]
    }
    defer { rest = rest.dropFirst(Batch.capacity) }
    return Array(rest.prefix(Batch.capacity))
  }
}
