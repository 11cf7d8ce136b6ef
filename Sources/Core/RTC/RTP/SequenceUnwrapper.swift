/// Extends 16-bit sequence numbers to 64 bits by taking each as near as possible to the highest one seen (RFC 3550 appendix A.1, RFC 3711 clause 3.3.1).
public struct SequenceUnwrapper: Sendable {
    private var highest: Int64?

    public init() {}

    /// The extended number, without remembering it.
    public func peek(_ number: UInt16) -> Int64 {
        guard let highest else { return Int64(number) }
        return highest + Int64(Int16(truncatingIfNeeded: Int64(number) - highest))
    }

    /// The extended number; remembered when it is the highest so far.
    public mutating func unwrap(_ number: UInt16) -> Int64 {
        let extended = peek(number)
        if extended > highest ?? .min { highest = extended }
        return extended
    }
}

/// Extends 32-bit RTP timestamps in the same way.
public struct TimestampUnwrapper: Sendable {
    private var last: Int64?

    public init() {}

    public mutating func unwrap(_ timestamp: UInt32) -> Int64 {
        guard let previous = last else {
            last = Int64(timestamp)
            return Int64(timestamp)
        }
        let extended = previous + Int64(Int32(truncatingIfNeeded: Int64(timestamp) - previous))
        last = max(previous, extended)
        return extended
    }
}
