import Teleop
import Wire

/// The wire form of what goes through the signalling server (specs: teleop-client clause 4). Reading is lenient: plain peers are many.
extension SignalMessage {
    /// Bytes of a message; a server takes no longer ones either.
    public static let limit = 256 << 10

    /// Nil: some other program's, of a type that is not known here.
    public static func read(_ text: Span<UInt8>) throws(SignalMessageError) -> SignalMessage? {
        let value: JSON
        do throws(JSONError) { value = try JSON(parsing: text, limits: JSONLimits(depth: 16, bytes: limit)) } catch {
            throw SignalMessageError("expected a JSON object: \(error)")
        }
        guard let object = value.object else { throw SignalMessageError("expected a JSON object") }
        guard let type = object["type"]?.string else { return nil }
        let body: Body?
        switch type {
        case "offer":
            body = .offer(sdp: try sdp(object, type), interval: number(object["interval"]).flatMap { $0 > 0 && $0 <= 60 ? $0 : nil })
        case "answer": body = .answer(sdp: try sdp(object, type), drives: word(object["drives"]))
        case "candidate": body = .candidate(try candidate(object))
        case "ready": body = object["role"]?.string.flatMap(PairRole.init).map { .ready($0) }
        case "busy": body = .busy
        case "bye": body = .bye
        default: body = nil
        }
        return body.map {
            SignalMessage($0, from: word(object["from"]), to: word(object["to"]), session: word(object["session"]))
        }
    }

    /// `{"type":"offer","offer":{"type":"offer","sdp":"…"}}`, or the text beside the type.
    private static func sdp(_ object: JSONObject, _ type: String) throws(SignalMessageError) -> String {
        let text = object[type]?["sdp"]?.string ?? object[type]?.string ?? object["sdp"]?.string
        guard let text, !text.isEmpty else { throw SignalMessageError("\(type): expected a description in \(type).sdp") }
        return text
    }

    /// Bytes; a line with all extensions that are known has a quarter of it.
    private static let candidateLimit = 1 << 10

    private static func candidate(_ object: JSONObject) throws(SignalMessageError) -> SignalCandidate {
        let candidate = try anyCandidate(object)
        guard candidate.text.utf8.count <= candidateLimit else {
            throw SignalMessageError("candidate: expected at most \(candidateLimit) bytes, got \(candidate.text.utf8.count)")
        }
        return candidate
    }

    private static func anyCandidate(_ object: JSONObject) throws(SignalMessageError) -> SignalCandidate {
        switch object["candidate"] {
        case nil, .null?: return SignalCandidate("")
        case .string(let text)?: return SignalCandidate(text, fragment: fragment(of: text))
        case .object(let inner)?:
            guard let text = inner["candidate"] ?? .some(.null), text == .null || text.string != nil else {
                throw SignalMessageError("candidate: expected a text in candidate.candidate")
            }
            let line = text.string ?? ""
            return SignalCandidate(
                line, mid: word(inner["sdpMid"]) ?? number(inner["sdpMid"]).map { "\(Int($0))" },
                line: number(inner["sdpMLineIndex"]).flatMap { Int(exactly: $0) },
                fragment: word(inner["usernameFragment"]) ?? fragment(of: line))
        default: throw SignalMessageError("candidate: expected an object, a text or null")
        }
    }

    /// RFC 8839 clause 5.1: extensions stand as pairs of words behind the rest.
    private static func fragment(of line: String) -> String? {
        let words = line.split(separator: " ")
        guard let place = words.firstIndex(of: "ufrag"), place + 1 < words.count else { return nil }
        return String(words[place + 1])
    }

    /// Names are short; what is not counts as none.
    private static func word(_ value: JSON?) -> String? {
        guard let text = value?.string, !text.isEmpty, text.utf8.count <= 256 else { return nil }
        return text
    }

    private static func number(_ value: JSON?) -> Double? {
        guard let number = value?.double ?? value?.string.flatMap(Double.init), number.isFinite, abs(number) < 1e9 else { return nil }
        return number
    }

    /// As plain peers write it, and our own fields behind.
    public var json: JSON {
        var object = JSONObject()
        switch body {
        case .offer(let sdp, let interval):
            object["type"] = "offer"
            object["offer"] = ["type": "offer", "sdp": .string(sdp)]
            if let interval { object["interval"] = .double(interval) }
        case .answer(let sdp, let drives):
            object["type"] = "answer"
            object["answer"] = ["type": "answer", "sdp": .string(sdp)]
            if let drives { object["drives"] = .string(drives) }
        case .candidate(let candidate):
            object["type"] = "candidate"
            object["candidate"] = Self.json(candidate)
        case .ready(let role):
            object["type"] = "ready"
            object["role"] = .string(role.rawValue)
        case .busy: object["type"] = "busy"
        case .bye: object["type"] = "bye"
        }
        if let from { object["from"] = .string(from) }
        if let to { object["to"] = .string(to) }
        if let session { object["session"] = .string(session) }
        return .object(object)
    }

    private static func json(_ candidate: SignalCandidate) -> JSON {
        var object = JSONObject()
        object["candidate"] = .string(candidate.text)
        if let mid = candidate.mid { object["sdpMid"] = .string(mid) }
        if let line = candidate.line { object["sdpMLineIndex"] = .integer(Int64(line)) }
        if let fragment = candidate.fragment { object["usernameFragment"] = .string(fragment) }
        return .object(object)
    }
}

/// Why a message of a known type is of no use, for the log.
public struct SignalMessageError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
