/// What all kinds of metrics have in common.
public protocol Metric: AnyObject, Sendable {
    static var type: MetricType { get }
    var figures: MetricFigures { get }
}

public enum MetricType: String, Sendable { case counter, gauge, histogram }

/// What a metric says at one moment.
public enum MetricFigures: Sendable, Hashable {
    case number(Double)
    /// `cumulative`: how many values were at most each bound, and last how many there were.
    case histogram(bounds: [Double], cumulative: [Int], sum: Double)
}

/// Metrics of one name that labels tell apart: `waldo_http_requests_total{method="GET"}`.
///
/// A member is looked up once and kept by whoever counts; looking up costs a dictionary. Members are as many as the limit at most: label
/// values that come from outside would else fill the memory. What comes after is counted on one more member, whose labels are all
/// `overflow`. Used on the registry's thread; its members on any.
public final class MetricFamily<Member: Metric> {
    public let labels: [String]
    public let limit: Int
    private let make: () -> Member
    private static var overflowName: String { "overflow" }
    private var positions: [[String]: Int] = [:]
    private(set) var members: [(values: [String], metric: Member)] = []
    private var overflow: Member?
    /// Look-ups that ended at the overflow member.
    public private(set) var overflows = 0

    init(labels: [String], limit: Int, make: @escaping () -> Member) {
        precondition(!labels.isEmpty, "without labels there is one metric, no family")
        precondition(limit > 0, "a family without room has no members")
        precondition(Set(labels).count == labels.count, "a label comes twice: \(labels)")
        for label in labels { precondition(MetricName.isLabel(label), "no label name: \(label)") }
        (self.labels, self.limit, self.make) = (labels, limit, make)
    }

    /// The member with these values, one for each label in their order; made when it is new.
    public func member(_ values: String...) -> Member { member(values) }

    public func member(_ values: [String]) -> Member {
        precondition(values.count == labels.count, "expected a value for each of \(labels), got \(values)")
        if let position = positions[values] { return members[position].metric }
        // A member that is named as the overflow would be written as it, too: no reader takes one series twice.
        guard members.count < limit, values.contains(where: { $0 != Self.overflowName }) else { return overflowing() }
        let made = make()
        positions[values] = members.count
        members.append((values, made))
        return made
    }

    /// Forgets a member whose subject is gone, so that its place is free: it is written no more, and if it comes back it begins at zero.
    public func remove(_ values: String...) {
        guard let position = positions.removeValue(forKey: values) else { return }
        members.remove(at: position)
        for index in position..<members.count { positions[members[index].values] = index }
    }

    /// For a family whose subjects are looked up anew before each reading.
    public func removeAll() {
        positions.removeAll()
        members.removeAll()
        overflow = nil
    }

    private func overflowing() -> Member {
        overflows += 1
        if let overflow { return overflow }
        let made = make()
        overflow = made
        return made
    }

    /// In the order in which they were made, the overflow last.
    func forEach(_ body: (_ values: [String], _ metric: Member) -> Void) {
        for (values, metric) in members { body(values, metric) }
        if let overflow { body(labels.map { _ in Self.overflowName }, overflow) }
    }
}

/// The grammar of names (Prometheus data model).
package enum MetricName {
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`
    package static func isMetric(_ name: String) -> Bool { matches(name, colons: true) }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, not beginning with two underscores, which are the scraper's; `le` is the histograms'.
    package static func isLabel(_ name: String) -> Bool { matches(name, colons: false) && !name.hasPrefix("__") && name != "le" }

    private static func matches(_ name: String, colons: Bool) -> Bool {
        guard let first = name.utf8.first, !isDigit(first) else { return false }
        return name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") || colons && $0 == UInt8(ascii: ":") }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    private static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z") }
}
