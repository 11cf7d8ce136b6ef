import Wire

/// The object `<namespace>_sessions_<pid>`, by which a program of this machine tells of its own sessions: what it knows needs no guessing.
///
/// | offset | size | content |
/// |---|---|---|
/// | 0 | 4 | magic 0x57445345 |
/// | 4 | 4 | version 1 |
/// | 8 | 8 | creation time, whole seconds since 1970 |
/// | 16 | 8 | writer's pid |
/// | 24 | 8 | sequence, by the rule of section 12 |
/// | 32 | 4 | JSON length n ≤ 16384 |
/// | 36 | n | UTF-8: `{"source","sessions":[{"operator","role","since","remote"}]}` |
///
/// Big-endian, as the main object.
public enum SessionsLayout {
    /// At 0: what it is.
    public static let magic: UInt32 = 0x5744_5345
    /// At 4.
    public static let version: UInt32 = 1
    /// u64, as in the main object.
    public static let pidOffset = MainLayout.pidOffset
    /// u64, odd while the body is written.
    public static let sequenceOffset = 24
    /// u32 length, then UTF-8.
    public static let bodyOffset = 32
    /// Bytes of the JSON text.
    public static let longestText = 16_384
    /// Bytes of the whole object.
    public static let size = bodyOffset + 4 + longestText
    /// Sessions of one program.
    public static let mostSessions = 64

    /// The 32 bytes at the start, sequence 0. `creation`: whole seconds since 1970.
    public static func header(creation: UInt64, pid: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: bodyOffset)
        writer.u32(magic)
        writer.u32(version)
        writer.u64(creation)
        writer.u64(pid)
        writer.u64(0)
        return writer.bytes
    }

    /// The area at 32. Sessions that there is no room for are left out from the end.
    public static func body(_ sessions: SessionList) -> [UInt8] {
        var sessions = sessions
        sessions.sessions = Array(sessions.sessions.prefix(mostSessions))
        while true {
            let text = sessions.json.encoded()
            guard text.count > longestText, !sessions.sessions.isEmpty else {
                var writer = ByteWriter(capacity: 4 + text.count)
                writer.u32(UInt32(min(text.count, longestText)))
                writer.append(Array(text.prefix(longestText)))
                return writer.bytes
            }
            sessions.sessions.removeLast()
        }
    }

    /// What a body says.
    public static func sessions(of body: Span<UInt8>) throws(SessionsError) -> SessionList {
        guard body.count >= 4, body.u32(at: 0) <= longestText, Int(body.u32(at: 0)) <= body.count - 4 else { throw .length }
        let text = body.extracting(4..<(4 + Int(body.u32(at: 0))))
        do {
            var parser = JSONParser(limits: JSONLimits(depth: 8, bytes: longestText))
            try parser.feed(text)
            return try SessionList(JSONField(parser.finish()))
        } catch let error as JSONError { throw .json(error) } catch let error as JSONFieldError { throw .field(error) } catch {
            throw .length
        }
    }
}

/// Why what a program tells of its sessions cannot be read.
public enum SessionsError: Error, Sendable, Hashable, CustomStringConvertible {
    case length
    case json(JSONError)
    case field(JSONFieldError)

    public var description: String {
        switch self {
        case .length: "the length is more than \(SessionsLayout.longestText) bytes"
        case .json(let error): "\(error)"
        case .field(let error): "\(error)"
        }
    }
}

/// The sessions that a program has with its operators at one time.
public struct SessionList: Sendable, Hashable {
    /// The program: `waldo`. At most 32 bytes.
    public var source: String
    /// At most 64 survive.
    public var sessions: [Session]

    public init(source: String, sessions: [Session]) { (self.source, self.sessions) = (source, sessions) }

    /// One operator's.
    public struct Session: Sendable, Hashable {
        /// What the operator may do.
        public enum Role: String, Sendable, CaseIterable {
            /// May move the robot.
            case driver
            case viewer
        }

        /// At most 64 characters; empty: not known.
        public var operatorName: String
        /// What the operator may do now.
        public var role: Role
        /// Whole seconds since 1970.
        public var since: Int64
        /// Of the operator; nil: not known.
        public var remote: String?

        public init(operatorName: String, role: Role, since: Int64, remote: String? = nil) {
            (self.operatorName, self.role, self.since, self.remote) = (operatorName, role, since, remote)
        }
    }

    var json: JSON {
        let sessions = sessions.map { session -> JSON in
            var object: JSONObject = [
                "operator": .string(session.operatorName), "role": .string(session.role.rawValue), "since": .integer(session.since),
            ]
            if let remote = session.remote { object["remote"] = .string(remote) }
            return .object(object)
        }
        return ["source": .string(source), "sessions": .array(sessions)]
    }

    init(_ field: JSONField) throws(JSONFieldError) {
        source = try field["source"].string(limit: 32)
        sessions = []
        for entry in try field["sessions"].array(limit: SessionsLayout.mostSessions) {
            let name = try entry["operator"].string(limit: OperatorName.mostBytes)
            let role = Session.Role(rawValue: try entry["role"].string(of: Session.Role.allCases.map(\.rawValue))) ?? .viewer
            let since = try entry["since"].integer(in: 0...Int64(1) << 40)
            let remote = try entry["remote"].optional?.string(limit: 128)
            sessions.append(Session(operatorName: Self.clean(name), role: role, since: since, remote: remote.map(Self.clean)))
        }
    }

    /// Without control characters, at most 64 characters.
    private static func clean(_ text: String) -> String {
        let scalars = text.unicodeScalars.filter { $0.properties.generalCategory != .control }
        return String(String(String.UnicodeScalarView(scalars)).prefix(64))
    }
}
