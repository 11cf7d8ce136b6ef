import Wire

/// How much a detector can see (section 4, `/status`; section 18).
public struct DetectorStatus: Sendable, Equatable {
    public enum Mode: String, Sendable { case full, reduced, off }

    public var mode: Mode
    /// What it cannot see, why, and what to do about it.
    public var error: String?

    public init(_ mode: Mode, error: String? = nil) { (self.mode, self.error) = (mode, error) }

    public var json: JSONObject {
        ["running": .bool(mode != .off), "mode": .string(mode.rawValue), "error": error.map(JSON.string) ?? .null]
    }
}
