import Robot
import Teleop
import Wire

/// What a client says on `control` and `state` (docs/teleop-protocol.md).
public enum ClientMessage: Sendable, Hashable {
    case drive(DriveCommand)
    case emergencyStop(nonce: Int64?)
    /// The client's own milliseconds, sent back as they are.
    case ping(Double)
    case hello(name: String?, isBlind: Bool?)
    case lease(LeaseAction, nonce: Int64)
    case action(RobotAction, epoch: UInt32, nonce: Int64)
    case mode(DriveMode, epoch: UInt32, nonce: Int64)
    case clear(epoch: UInt32, nonce: Int64)

    /// The number under which the outcome is acknowledged.
    public var nonce: Int64? {
        switch self {
        case .drive, .ping, .hello: nil
        case .emergencyStop(let nonce): nonce
        case .lease(_, let nonce), .action(_, _, let nonce), .mode(_, _, let nonce), .clear(_, let nonce): nonce
        }
    }

    /// Which of the two channels something came along.
    public enum Channel: String, Sendable, Hashable {
        /// Unordered, without retransmission: continuous commands, the emergency stop, pings.
        case control
        /// Reliable, in order.
        case state

        /// Bytes of a message.
        public var limit: Int { self == .control ? 1024 : 16_384 }
    }

    /// Reads one message. Nothing of what is refused has an effect.
    public init(parsing text: Span<UInt8>, on channel: Channel) throws(ClientMessageError) {
        guard text.count <= channel.limit else {
            throw ClientMessageError("\(channel.rawValue): expected a message of at most \(channel.limit) bytes, got \(text.count)")
        }
        let value: JSON
        do throws(JSONError) { value = try JSON(parsing: text, limits: JSONLimits(depth: 8, bytes: channel.limit)) } catch {
            throw ClientMessageError("expected a JSON object: \(error)")
        }
        do throws(JSONFieldError) { self = try Self.read(JSONField(value), on: channel) } catch { throw ClientMessageError("\(error)") }
    }

    private static func read(_ body: JSONField, on channel: Channel) throws(JSONFieldError) -> ClientMessage {
        let type = try body["type"]
        switch try type.string(limit: 32) {
        case "drive": return .drive(try drive(body))
        case "wheels": return .drive(DriveCommand(try wheels(body), stamp: try stamp(body), camera: try camera(body)))
        case "motor": return .drive(DriveCommand(try wheels(body), stamp: try isPlain(body) ? nil : stamp(body)))
        case "estop": return .emergencyStop(nonce: try body["nonce"].optional?.integer())
        case "ping": return .ping(try body["t"].double())
        case let other:
            guard channel == .state else { throw type.error("one of drive, wheels, motor, estop, ping on this channel") }
            return try readState(other, body)
        }
    }

    private static func readState(_ type: String, _ body: JSONField) throws(JSONFieldError) -> ClientMessage {
        switch type {
        case "hello":
            let view = try body["view"].optional?.string(of: ["video", "none"])
            return .hello(name: try body["name"].optional?.string(limit: 64), isBlind: view.map { $0 == "none" })
        case "lease": return .lease(try leaseAction(body), nonce: try nonce(body))
        case "action":
            let name = try body["name"].string(limit: 64)
            let argument = try body["argument"].optional?.string(limit: 256) ?? ""
            return .action(RobotAction(name: name, argument: argument), epoch: try epoch(body), nonce: try nonce(body))
        case "mode":
            let name = try body["name"].string(of: DriveMode.allCases.map(\.rawValue))
            return .mode(DriveMode(rawValue: name)!, epoch: try epoch(body), nonce: try nonce(body))
        case "clear": return .clear(epoch: try epoch(body), nonce: try nonce(body))
        default:
            throw try body["type"].error("one of drive, wheels, motor, estop, ping, hello, lease, action, mode, clear")
        }
    }

    // MARK: Parts

    private static func drive(_ body: JSONField) throws(JSONFieldError) -> DriveCommand {
        let velocity = Velocity(
            vx: try body["vx"].double(), vy: try body["vy"].optional?.double() ?? 0, vyaw: try body["vyaw"].optional?.double() ?? 0)
        return DriveCommand(.velocity(velocity), stamp: try stamp(body), camera: try camera(body))
    }

    private static func wheels(_ body: JSONField) throws(JSONFieldError) -> DriveCommand.Value {
        .wheels(left: try body["left"].double(), right: try body["right"].double())
    }

    private static func isPlain(_ body: JSONField) throws(JSONFieldError) -> Bool {
        for name in ["epoch", "seq", "t", "seen", "hold"] where try body[name].value != nil { return false }
        return true
    }

    private static func stamp(_ body: JSONField) throws(JSONFieldError) -> DriveCommand.Stamp {
        DriveCommand.Stamp(
            epoch: try epoch(body), sequence: UInt32(try body["seq"].integer(in: 0...Int64(UInt32.max))), sent: try body["t"].double(),
            seen: UInt32(try body["seen"].optional?.integer(in: 0...Int64(UInt32.max)) ?? 0), isHeld: try body["hold"].bool())
    }

    private static func camera(_ body: JSONField) throws(JSONFieldError) -> CameraAngles? {
        let pan = try body["pan"].optional?.double(), tilt = try body["tilt"].optional?.double()
        return pan == nil && tilt == nil ? nil : CameraAngles(pan: pan ?? 0, tilt: tilt ?? 0)
    }

    private static func epoch(_ body: JSONField) throws(JSONFieldError) -> UInt32 {
        UInt32(try body["epoch"].integer(in: 0...Int64(UInt32.max)))
    }

    private static func nonce(_ body: JSONField) throws(JSONFieldError) -> Int64 { try body["nonce"].integer() }

    private static func leaseAction(_ body: JSONField) throws(JSONFieldError) -> LeaseAction {
        switch try body["action"].string(of: ["acquire", "confirm", "release", "grant", "refuse", "take", "transfer"]) {
        case "acquire": return .acquire
        case "confirm": return .confirm
        case "release": return .release
        case "grant": return .grant
        case "refuse": return .refuse
        case "take": return .take
        default:
            let to = try body["to"]
            guard let id = SessionID(parsing: try to.string(limit: 16)) else { throw to.error("a session, like s3") }
            return .transfer(to: id)
        }
    }
}

extension SessionID {
    /// `s3`.
    public init?(parsing text: String) {
        guard text.utf8.first == UInt8(ascii: "s"), let number = UInt32(text.dropFirst()) else { return nil }
        self.init(number)
    }
}

/// What is not right about a message, for whoever wrote the client.
public struct ClientMessageError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
