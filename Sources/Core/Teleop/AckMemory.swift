/// The last acknowledgements of one session: what comes twice is answered the same again and not done twice.
public struct AckMemory: Sendable {
    private var order: [Int64] = []
    private var outcomes: [Int64: TeleopRefusal?] = [:]
    private static let limit = 64

    public init() {}

    /// The outcome under this number, or what `act` now makes of it.
    public mutating func once(_ nonce: Int64, _ act: () throws(TeleopRefusal) -> Void) -> TeleopRefusal? {
        if let known = outcomes[nonce] { return known }
        var refusal: TeleopRefusal?
        do throws(TeleopRefusal) { try act() } catch { refusal = error }
        outcomes[nonce] = .some(refusal)
        order.append(nonce)
        if order.count > Self.limit { outcomes[order.removeFirst()] = nil }
        return refusal
    }
}
