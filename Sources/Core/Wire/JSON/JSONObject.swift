/// The members of a JSON object, in the order in which they came. A name that comes twice keeps its place and takes the later value, as
/// browsers do (RFC 8259 clause 4 leaves it open). Two objects are equal when their members are, in any order.
public struct JSONObject: Sendable {
    public private(set) var names: [String] = []
    private var values: [JSON] = []
    /// Positions by name, once there are too many to look through.
    private var positions: [String: Int] = [:]
    private static let scanned = 8

    public init() {}

    public init(_ members: some Sequence<(String, JSON)>) {
        names.reserveCapacity(members.underestimatedCount)
        values.reserveCapacity(members.underestimatedCount)
        for (name, value) in members { self[name] = value }
    }

    public var count: Int { names.count }
    public var isEmpty: Bool { names.isEmpty }
    public var members: Zip2Sequence<[String], [JSON]> { zip(names, values) }

    /// Setting nil removes the member.
    public subscript(name: String) -> JSON? {
        get { position(of: name).map { values[$0] } }
        set {
            guard let value = newValue else { return remove(name) }
            if let position = position(of: name) {
                values[position] = value
                return
            }
            names.append(name)
            values.append(value)
            if names.count == Self.scanned + 1 {
                for (position, name) in names.enumerated() { positions[name] = position }
            } else if names.count > Self.scanned {
                positions[name] = names.count - 1
            }
        }
    }

    private func position(of name: String) -> Int? {
        names.count > Self.scanned ? positions[name] : names.firstIndex(of: name)
    }

    private mutating func remove(_ name: String) {
        guard let position = position(of: name) else { return }
        names.remove(at: position)
        values.remove(at: position)
        positions = [:]
        guard names.count > Self.scanned else { return }
        for (position, name) in names.enumerated() { positions[name] = position }
    }
}

extension JSONObject: Hashable {
    public static func == (a: JSONObject, b: JSONObject) -> Bool { a.count == b.count && a.members.allSatisfy { b[$0] == $1 } }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        // In any order: the sum of the members' own hashes.
        var sum = 0
        for (name, value) in members {
            var member = hasher
            member.combine(name)
            member.combine(value)
            sum &+= member.finalize()
        }
        hasher.combine(sum)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
}
