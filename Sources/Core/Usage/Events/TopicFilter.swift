/// Which events a WebSocket client wants (section 5, "Topics").
public struct TopicFilter: Sendable, Equatable {
    private var topics = Topics.all(except: [])
    private var alerts = Alerts.asUsual

    private enum Topics: Sendable, Equatable {
        case all(except: Set<String>)
        case only(Set<String>)
    }

    private enum Alerts: Sendable, Equatable {
        /// All of them: the client never said anything of alerts.
        case asUsual
        /// As every other topic: the client has named some.
        case named
        case off
    }

    /// Names that are kept at most, and bytes of one: what is beyond could name no event.
    private static let mostNames = 256
    private static let longestName = 128

    /// Every event.
    public init() {}

    /// Replaces the topics. `alerts`: what the message says of alerts, nil: nothing.
    public mutating func subscribe(_ names: [String], alerts wanted: Bool?) {
        let names = Set(names.lazy.filter { $0.utf8.count <= Self.longestName }.prefix(Self.mostNames))
        topics = names.contains("*") ? .all(except: []) : .only(names)
        if wanted == false {
            alerts = .off
        } else if wanted == true {
            alerts = .asUsual
        } else if Self.namesAlerts(names) {
            alerts = .named
        }
    }

    public mutating func unsubscribe(_ names: [String]) {
        var names = Set(names.lazy.filter { $0.utf8.count <= Self.longestName }.prefix(Self.mostNames))
        if names.contains("*") {
            topics = .only([])
            return
        }
        if names.contains("alerts") { names.formUnion(Self.alertNames) }
        switch topics {
        case .all(let except): topics = .all(except: Set(except.union(names).prefix(2 * Self.mostNames)))
        case .only(var set):
            // One alert fewer than all of them.
            if Self.namesAlerts(names), set.remove("alerts") != nil { set.formUnion(Self.alertNames) }
            topics = .only(set.subtracting(names))
        }
        if Self.namesAlerts(names), alerts == .asUsual { leave(alerts: names) }
    }

    /// Of a client that got all alerts without having asked for any.
    private mutating func leave(alerts names: Set<String>) {
        alerts = .named
        if case .only(let set) = topics { topics = .only(set.union(Self.alertNames.subtracting(names))) }
    }

    public func takes(_ kind: UsageEvent.Kind) -> Bool {
        guard kind.isAlert else { return contains(kind.rawValue) }
        switch alerts {
        case .off: return false
        case .asUsual: return true
        case .named:
            if case .only(let set) = topics, set.contains("alerts") { return true }
            return contains(kind.rawValue)
        }
    }

    private func contains(_ name: String) -> Bool {
        switch topics {
        case .all(let except): !except.contains(name)
        case .only(let set): set.contains(name)
        }
    }

    private static func namesAlerts(_ names: Set<String>) -> Bool { names.contains("alerts") || !names.isDisjoint(with: alertNames) }

    private static let alertNames = Set(UsageEvent.Kind.allCases.lazy.filter(\.isAlert).map(\.rawValue))
}
