// SPDX-License-Identifier: Apache-2.0

internal import StraitCore
internal import StraitProtocol

/// What models are called, by numbers that what is remembered has instead. Names outlive their models here for as long as
/// anything remembered bears them.
struct ModelLabels: Sendable {
    /// A model's name and version.
    struct Label: Sendable, Hashable {
        var name: String
        var version: Int
    }

    private var labels: [Label?] = []
    private var numbers: [Label: UInt32] = [:]
    private var free: [UInt32] = []
    /// The label of each model by the scheduler's number, which another may have later: told apart by the serial.
    private var current: [(serial: UInt64, label: UInt32)?] = []
    /// Labels that there may be before it is looked which of them are still needed.
    private var sweptAt = leastSwept

    private static let leastSwept = 256

    /// The label with a number.
    subscript(number: UInt32) -> Label { labels[Int(number)] ?? Label(name: "", version: 0) }

    /// The number of the label of a model; nil where it has to be entered.
    @inline(__always)
    func number(of model: ServedModel) -> UInt32? {
        let index = model.id.index
        guard index < current.count, let known = current[index], known.serial == model.serial else { return nil }
        return known.label
    }

    /// Whether it is to be looked which labels are still needed, before another is entered.
    var isFull: Bool { numbers.count >= sweptAt }

    /// Enters a model.
    ///
    /// - Returns: the number of its label.
    mutating func enter(_ model: ServedModel) -> UInt32 {
        let label = Label(name: model.specification.name, version: model.specification.version)
        let number = numbers[label] ?? add(label)
        while current.count <= model.id.index { current.append(nil) }
        current[model.id.index] = (model.serial, number)
        return number
    }

    private mutating func add(_ label: Label) -> UInt32 {
        let number = free.popLast() ?? UInt32(labels.count)
        if Int(number) == labels.count { labels.append(label) } else { labels[Int(number)] = label }
        numbers[label] = number
        return number
    }

    /// Forgets the labels that nothing bears.
    ///
    /// - Parameter isBorne: for each number whether something does.
    mutating func sweep(_ borne: [Bool]) {
        for number in labels.indices where !borne[number] {
            guard let label = labels[number] else { continue }
            labels[number] = nil
            numbers[label] = nil
            free.append(UInt32(number))
        }
        current.removeAll(keepingCapacity: true)
        sweptAt = max(Self.leastSwept, numbers.count * 2)
    }

    /// One `false` for each number that was given out.
    var noneBorne: [Bool] { Array(repeating: false, count: labels.count) }
}
