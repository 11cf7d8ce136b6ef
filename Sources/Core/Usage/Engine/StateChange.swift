import Wire

/// What is different between two states (section 6, `state_update`).
struct StateChange {
    let old: TeleoperationState
    let new: TeleoperationState

    var isActiveChanged: Bool { old.isActive != new.isActive }
    var added: [String] { new.operators.filter { !old.operators.contains($0) } }
    var removed: [String] { old.operators.filter { !new.operators.contains($0) } }
    var areOperatorsChanged: Bool { old.operators != new.operators }
    var areConnectionsChanged: Bool { DetectorKind.allCases.contains { old[connections: $0] != new[connections: $0] } }

    var isEmpty: Bool { !isActiveChanged && !areOperatorsChanged && !areConnectionsChanged }

    /// `[{"field":…,"old_value":…,"new_value":…}]`
    var json: JSON {
        var changes: [JSON] = []
        if isActiveChanged { changes.append(Self.change("teleoperation_active", .bool(old.isActive), .bool(new.isActive))) }
        if areOperatorsChanged {
            var change = Self.change("operators", Self.names(old.operators), Self.names(new.operators)).object ?? JSONObject()
            change["added"] = Self.names(added)
            change["removed"] = Self.names(removed)
            changes.append(.object(change))
        }
        if areConnectionsChanged { changes.append(Self.change("connections", old.connections, new.connections)) }
        return .array(changes)
    }

    static func names(_ names: [String]) -> JSON { .array(names.map(JSON.string)) }

    private static func change(_ field: String, _ old: JSON, _ new: JSON) -> JSON {
        ["field": .string(field), "old_value": old, "new_value": new]
    }
}
