import RTC
import Teleop
import Wire

/// What robot and operator tell their people, in the words of the specification (teleop-client clause 12).
public enum ClientEvent: Sendable, Hashable {
    case connecting(server: String)
    case connected
    case waiting
    case offerSent, offerReceived, answerSent, answerReceived
    case state(PeerState)
    case channelOpen, channelClosed
    case actionSent(String)
    case actionReceived(String)
    case notJSON(String)
    case frames(count: Int, width: Int, height: Int)
    case busy
    case serverLost(retryIn: Int)
    case camera(width: Int, height: Int, rate: Int)
    /// Something that went wrong or was left undone, and why.
    case warning(String)
    case headless
    case shuttingDown, bye

    /// One line for people.
    public var text: String {
        switch self {
        case .connecting(let server): "Connecting to signaling server: \(Self.visible(server.withoutPasswords))"
        case .connected: "Connected to signaling server"
        case .waiting: "Waiting for operator..."
        case .offerSent: "Offer sent"
        case .offerReceived: "Offer received"
        case .answerSent: "Answer sent"
        case .answerReceived: "Answer received"
        case .state(let state): "Connection state: \(state.rawValue)"
        case .channelOpen: "Data channel open"
        case .channelClosed: "Data channel closed"
        case .actionSent(let text): "Action sent: \(Self.visible(text))"
        case .actionReceived(let text): "Action received: \(Self.visible(text))"
        case .notJSON(let text): "Received non-JSON message: \(Self.visible(text))"
        case .frames(let count, let width, let height): "Received \(count) frames (\(width)x\(height))"
        case .busy: "Robot is busy"
        case .serverLost(let seconds): "Signaling connection lost, retrying in \(seconds) s"
        case .camera(let width, let height, let rate): "Camera opened: \(width)x\(height) @ \(rate)"
        case .warning(let text): "Warning: \(Self.visible(text))"
        case .headless: "No display, running headless"
        case .shuttingDown: "Shutting down…"
        case .bye: "Bye."
        }
    }

    /// The same for programs. `t`: Unix seconds.
    public func json(at t: Double) -> JSON {
        var object = JSONObject()
        object["t"] = .double(t)
        object["event"] = .string(name)
        switch self {
        case .connecting(let server): object["url"] = .string(server.withoutPasswords)
        case .state(let state): object["state"] = .string(state.rawValue)
        case .actionSent(let text), .actionReceived(let text), .notJSON(let text), .warning(let text): object["text"] = .string(text)
        case .frames(let count, let width, let height):
            object["frames"] = .integer(Int64(count))
            object["width"] = .integer(Int64(width))
            object["height"] = .integer(Int64(height))
        case .serverLost(let seconds): object["retry_in_s"] = .integer(Int64(seconds))
        case .camera(let width, let height, let rate):
            object["width"] = .integer(Int64(width))
            object["height"] = .integer(Int64(height))
            object["rate"] = .integer(Int64(rate))
        case .connected, .waiting, .offerSent, .offerReceived, .answerSent, .answerReceived, .channelOpen, .channelClosed, .busy, .headless,
            .shuttingDown, .bye:
            break
        }
        return .object(object)
    }

    private var name: String {
        switch self {
        case .connecting: "connecting"
        case .connected: "connected"
        case .waiting: "waiting"
        case .offerSent: "offer_sent"
        case .offerReceived: "offer_received"
        case .answerSent: "answer_sent"
        case .answerReceived: "answer_received"
        case .state: "connection_state"
        case .channelOpen: "channel_open"
        case .channelClosed: "channel_closed"
        case .actionSent: "action_sent"
        case .actionReceived: "action_received"
        case .notJSON: "non_json_message"
        case .frames: "frames"
        case .busy: "busy"
        case .serverLost: "signaling_lost"
        case .camera: "camera_opened"
        case .warning: "warning"
        case .headless: "headless"
        case .shuttingDown: "shutting_down"
        case .bye: "bye"
        }
    }

    /// The server never gives anybody back what they said: somebody else has the same id.
    static func namesake(_ id: String) -> ClientEvent {
        .warning("somebody else on the signalling server calls itself \(id) and is not heard: give one of the two another --id")
    }

    /// What others wrote must not steer a terminal, nor be more than one line.
    private static func visible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var shown = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": shown += "\\n"
            case "\r": shown += "\\r"
            case "\t": shown += "\\t"
            case _ where isControl(scalar): shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .format: true
        default: false
        }
    }
}
