import Wire

/// Whom a flow is named after (section 8.1), and how far asking for it has come.
struct FlowIdentity: Sendable {
    /// For so long an answer may be waited for; then the flow is named by its address.
    static let patience = Duration.milliseconds(50)

    private(set) var asked: Instant?
    private(set) var isAnswered = false
    /// The name under which the connection was announced, while it is.
    var announced: String?
    var name = ""
    private var local: FlowOwner?
    private var far: FlowOwner?

    mutating func ask(at now: Instant) { (asked, isAnswered) = (now, false) }

    mutating func answer(local: FlowOwner?, far: FlowOwner?) {
        (self.local, self.far, isAnswered) = (local, far, true)
    }

    /// Whether a name would soon have to be taken back.
    func isPending(at now: Instant) -> Bool { !isAnswered && asked.map { now < $0 + Self.patience } ?? false }

    func deadline(isActive: Bool) -> Instant? {
        guard isActive, announced == nil, !isAnswered else { return nil }
        return asked.map { $0 + Self.patience }
    }

    /// `OPERATOR_ID` of the process at the local end, on loopback of the far end and else its `USER`; else `operator_<remote address>`.
    /// Which end of a UDP flow is far is on loopback only guessed by who spoke first, so there an `OPERATOR_ID` of either comes before a
    /// `USER`.
    mutating func settleName(_ flow: FlowKey, isLoopback: Bool, exact: String?) {
        let near = isLoopback && flow.transport == .tcp ? nil : local?.operatorID
        let candidates = isLoopback ? [exact, far?.operatorID, near, far?.user] : [exact, near]
        name = candidates.lazy.compactMap { $0.flatMap(OperatorName.cleaned) }.first ?? "operator_\(flow.remote.ip)"
    }
}
