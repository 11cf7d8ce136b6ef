import Robot

/// What a session may do at a robot. To see, and to pull the emergency stop, needs none.
public struct Rights: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let drive = Rights(rawValue: 1)
    /// Clears the emergency stop.
    public static let clear = Rights(rawValue: 2)
    /// Takes the lease from its holder: for supervisors.
    public static let take = Rights(rawValue: 4)

    public static let viewer: Rights = []
    public static let operate: Rights = [.drive, .clear]
    public static let supervise: Rights = [.drive, .clear, .take]

    /// By the names that the wire uses.
    public var names: [String] {
        [(Rights.drive, "drive"), (.clear, "estop.clear"), (.take, "lease.take")].filter { contains($0.0) }.map(\.1)
    }
}

/// Why something that a session asked for is not done: a code for programs and a sentence for people.
public struct TeleopRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    public let code: String
    public let message: String

    public init(_ code: String, _ message: String) { (self.code, self.message) = (code, message) }

    /// What a driver said about an action.
    init(_ error: RobotActionError) {
        let code =
            switch error {
            case .unknown: "unknown_action"
            case .argument: "bad_argument"
            case .notNow: "not_now"
            }
        self.init(code, error.description)
    }

    public var description: String { message }

    /// Of a robot that only shows what another did.
    public static let recorded = TeleopRefusal("recording", "this is a recording: it shows what a robot did, and takes no commands")
}
