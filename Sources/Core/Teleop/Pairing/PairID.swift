/// One negotiation, and the pair that it becomes, at one end of it.
public struct PairID: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: Int

    public init(_ rawValue: Int) { self.rawValue = rawValue }

    public var description: String { "pair \(rawValue)" }
}
