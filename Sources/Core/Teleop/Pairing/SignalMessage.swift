/// What robot and operator say to each other by way of the signalling server (specs: teleop-client clause 4). The server repeats everything to
/// everybody, so a message may be meant for somebody else, or come from anybody.
public struct SignalMessage: Sendable, Hashable {
    public var body: Body
    /// Who says so; nil: a plain peer.
    public var from: String?
    /// Whom alone it is for.
    public var to: String?
    /// The negotiation that it belongs to, named by whoever offers; nil: a plain peer's.
    public var session: String?

    public enum Body: Sendable, Hashable {
        /// `interval`: the seconds between two commands, where the sender keeps to one.
        case offer(sdp: String, interval: Double?)
        /// `drives`: what the commands drive, where they do; nil: they are only reported.
        case answer(sdp: String, drives: String?)
        case candidate(SignalCandidate)
        /// "I am here and free".
        case ready(PairRole)
        /// The robot is paired with somebody else.
        case busy
        /// A negotiation or a pair is ended on purpose.
        case bye
    }

    public init(_ body: Body, from: String? = nil, to: String? = nil, session: String? = nil) {
        (self.body, self.from, self.to, self.session) = (body, from, to, session)
    }
}

public enum PairRole: String, Sendable, Hashable { case robot, `operator` }

/// As `RTCIceCandidateInit`; an empty text ends the candidates.
public struct SignalCandidate: Sendable, Hashable {
    /// `candidate:…`
    public var text: String
    public var mid: String?
    public var line: Int?
    /// The user-name fragment of who can be reached there.
    public var fragment: String?

    public init(_ text: String, mid: String? = nil, line: Int? = nil, fragment: String? = nil) {
        (self.text, self.mid, self.line, self.fragment) = (text, mid, line, fragment)
    }
}

/// What tells an offer from every other where nothing names it: its ICE user-name fragment and its DTLS fingerprints.
public struct OfferIdentity: Sendable, Hashable {
    public var fragment: String
    /// All of them, wherever they stand: the certificate is held against those of one section, which come before the session's.
    public var fingerprints: Set<String>

    public init(sdp: String) {
        fragment = Self.values("a=ice-ufrag:", sdp).first ?? ""
        fingerprints = Set(Self.values("a=fingerprint:", sdp))
    }

    private static func values(_ name: String, _ sdp: String) -> [String] {
        sdp.utf8.split { $0 == 10 || $0 == 13 }.filter { $0.starts(with: name.utf8) }.map {
            String(decoding: $0.dropFirst(name.utf8.count), as: UTF8.self)
        }
    }
}
