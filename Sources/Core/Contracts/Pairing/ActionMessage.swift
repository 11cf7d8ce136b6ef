import Teleop
import Wire

/// What an operator says on the control channel (specs: teleop-client clause 8).
public enum ActionMessage: Sendable, Hashable {
    /// −1…1 each: x to the right, y forward. `stamp`: of an operator of ours, which knows the robot's lease and the picture that it shows.
    case motion(x: Double, y: Double, stamp: DriveCommand.Stamp?)
    case emergencyStop
    /// `epoch`: the robot's when it was asked, where the sender knows it.
    case clearEmergencyStop(epoch: UInt32?)
    /// A JSON object without a motion that could be carried out.
    case other

    /// Bytes of a message.
    public static let limit = 16 << 10

    /// Nil: not JSON, or not an object.
    public static func read(_ text: Span<UInt8>) -> ActionMessage? {
        guard let object = (try? JSON(parsing: text, limits: JSONLimits(depth: 16, bytes: limit)))?.object else { return nil }
        switch object["type"]?.string {
        case "estop": return .emergencyStop
        case "clear": return .clearEmergencyStop(epoch: epoch(object))
        default:
            guard let x = number(object["x"]), let y = number(object["y"]) else { return .other }
            return .motion(x: min(max(x, -1), 1), y: min(max(y, -1), 1), stamp: stamp(object))
        }
    }

    /// Numbers and texts of numbers are equal.
    private static func number(_ value: JSON?) -> Double? {
        guard let number = value?.double ?? value?.string.flatMap(Double.init), number.isFinite else { return nil }
        return number
    }

    private static func epoch(_ object: JSONObject) -> UInt32? { object["epoch"]?.integer.flatMap { UInt32(exactly: $0) } }

    /// All of it, or none.
    private static func stamp(_ object: JSONObject) -> DriveCommand.Stamp? {
        guard let epoch = epoch(object),
            let sequence = object["seq"]?.integer.flatMap({ UInt32(exactly: $0) }), let sent = object["t"]?.double, sent.isFinite,
            let isHeld = object["hold"]?.bool
        else { return nil }
        let seen = object["seen"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
        return DriveCommand.Stamp(epoch: epoch, sequence: sequence, sent: sent, seen: seen, isHeld: isHeld)
    }

    /// How an operator writes numbers.
    public enum Format: String, Sendable, Hashable, CaseIterable {
        /// Texts with two decimals, as the existing page does.
        case string
        case number
    }

    /// `{"x":"0.42","y":"0.13"}`
    public static func motion(x: Double, y: Double, _ format: Format, stamp: DriveCommand.Stamp? = nil) -> JSON {
        var object = JSONObject()
        object["x"] = format == .string ? .string(decimal(x)) : .double(x)
        object["y"] = format == .string ? .string(decimal(y)) : .double(y)
        if let stamp {
            object["epoch"] = .integer(Int64(stamp.epoch))
            object["seq"] = .integer(Int64(stamp.sequence))
            object["t"] = .double(stamp.sent)
            object["seen"] = .integer(Int64(stamp.seen))
            object["hold"] = .bool(stamp.isHeld)
        }
        return .object(object)
    }

    public static let emergencyStopText = #"{"type":"estop"}"#

    /// `epoch`: the robot's, as it was told last. A pull that comes before this raises it, and is not undone.
    public static func clear(epoch: UInt32?) -> JSON {
        var object = JSONObject()
        object["type"] = "clear"
        if let epoch { object["epoch"] = .integer(Int64(epoch)) }
        return .object(object)
    }

    private static func decimal(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let digits = abs(hundredths) % 100
        return (hundredths < 0 ? "-" : "") + "\(abs(hundredths) / 100)." + (digits < 10 ? "0\(digits)" : "\(digits)")
    }
}
