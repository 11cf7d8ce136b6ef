import Robot

/// Commands by outcome.
public struct ControlCounts: Sendable, Hashable {
    public private(set) var accepted = 0
    /// Accepted, but not as asked.
    public private(set) var changed = 0
    public private(set) var refused = 0
    /// How often each rule changed or refused a command.
    public private(set) var byRule: [GateRule: Int] = [:]

    public init() {}

    mutating func add(_ verdict: Verdict) {
        if let rule = verdict.refused {
            refused += 1
            byRule[rule, default: 0] += 1
        } else {
            accepted += 1
            if !verdict.changes.isEmpty { changed += 1 }
            for rule in verdict.changes { byRule[rule, default: 0] += 1 }
        }
    }
}
