/// One `m=` line and what follows it.
public struct MediaSection: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        case audio, video, application
        case other(String)

        public var text: String {
            switch self {
            case .audio: "audio"
            case .video: "video"
            case .application: "application"
            case .other(let text): text
            }
        }

        public init(_ text: String) {
            switch text {
            case "audio": self = .audio
            case "video": self = .video
            case "application": self = .application
            default: self = .other(text)
            }
        }

        public init(_ kind: MediaKind) { self = kind == .audio ? .audio : .video }

        public var media: MediaKind? {
            switch self {
            case .audio: .audio
            case .video: .video
            default: nil
            }
        }
    }

    /// `a=extmap` (RFC 8285 clause 8).
    public struct ExtensionMap: Sendable, Hashable {
        /// 1…14 in one-byte headers, up to 255 in two-byte headers.
        public var id: UInt8
        public var direction: MediaDirection?
        public var uri: String

        public init(id: UInt8, direction: MediaDirection? = nil, uri: String) {
            self.id = id
            self.direction = direction
            self.uri = uri
        }
    }

    /// `a=ssrc-group` (RFC 5576 clause 4.2): FID pairs a stream with its retransmissions.
    public struct SourceGroup: Sendable, Hashable {
        public var semantics: String
        public var sources: [SSRC]

        public init(semantics: String, sources: [SSRC]) {
            self.semantics = semantics
            self.sources = sources
        }
    }

    /// `a=ssrc` (RFC 5576 clause 4.1).
    public struct SourceAttribute: Sendable, Hashable {
        public var source: SSRC
        public var name: String
        public var value: String?

        public init(source: SSRC, name: String, value: String?) {
            self.source = source
            self.name = name
            self.value = value
        }
    }

    /// `a=msid` (RFC 8830): stream and track.
    public struct StreamIdentity: Sendable, Hashable {
        public var stream: String
        public var track: String?

        public init(stream: String, track: String?) {
            self.stream = stream
            self.track = track
        }
    }

    /// `a=rid` (RFC 8851).
    public struct Restriction: Sendable, Hashable {
        public var id: String
        public var isSent: Bool
        public var rest: String?
    }

    public var kind: Kind
    /// 0: rejected, or offered for bundling only.
    public var port: UInt16
    public var protocolName: String
    /// Payload types, or what else the protocol calls formats.
    public var formats: [String]
    /// What follows `c=`.
    public var connection: String?
    /// `b=` lines: modifier and kilobits a second (`AS`) or bits a second (`TIAS`).
    public var bandwidths: [String: UInt64] = [:]
    public var mid: String?
    public var direction: MediaDirection?
    public var transport = TransportAttributes()
    /// What follows `a=`: `candidate:…`, the form of `RTCIceCandidate.candidate`.
    public var candidates: [String] = []
    public var endOfCandidates = false
    public var rtcpMux = false
    public var rtcpMuxOnly = false
    /// `a=rtcp-rsize` (RFC 5506).
    public var reducedSizeRTCP = false
    public var bundleOnly = false
    public var allowsMixedExtensions = false
    /// In the order of the `m=` line.
    public var codecs: [CodecDescription] = []
    public var extensions: [ExtensionMap] = []
    public var msids: [StreamIdentity] = []
    public var sourceGroups: [SourceGroup] = []
    public var sources: [SourceAttribute] = []
    public var restrictions: [Restriction] = []
    /// What follows `a=simulcast:` (RFC 8853).
    public var simulcast: String?
    /// `a=sctp-port` (RFC 8841 clause 5), or the number of an old `a=sctpmap`.
    public var sctpPort: UInt16?
    /// `a=max-message-size` (RFC 8841 clause 6).
    public var maximumMessage: UInt64?
    /// Lines that this engine gives no meaning to, without `a=`.
    public var otherAttributes: [String] = []

    public init(kind: Kind, port: UInt16, protocolName: String, formats: [String]) {
        self.kind = kind
        self.port = port
        self.protocolName = protocolName
        self.formats = formats
    }

    /// Port 0 that does not mean "by way of the bundle" (RFC 9143 clause 6).
    public var isRejected: Bool { port == 0 && !bundleOnly }

    /// `UDP/DTLS/SCTP webrtc-datachannel`, or the older `DTLS/SCTP 5000`.
    public var isDataChannels: Bool {
        guard kind == .application else { return false }
        switch protocolName {
        case "UDP/DTLS/SCTP", "TCP/DTLS/SCTP": return formats.contains("webrtc-datachannel")
        case "DTLS/SCTP": return sctpPort != nil || formats.contains("webrtc-datachannel")
        default: return false
        }
    }

    /// Media over DTLS-SRTP with feedback; a missing `UDP/TLS/` is forgiven (RFC 8829 clause 5.1.2).
    public var isSecureMedia: Bool {
        kind.media != nil
            && ["UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP"].contains(protocolName)
    }

    /// The primary sources, without those of retransmission or repair, in order of appearance.
    public var primarySources: [SSRC] {
        var secondary: Set<SSRC> = []
        for group in sourceGroups where group.semantics == "FID" || group.semantics == "FEC-FR" {
            secondary.formUnion(group.sources.dropFirst())
        }
        var seen: Set<SSRC> = []
        return sources.map(\.source).filter { !secondary.contains($0) && seen.insert($0).inserted }
    }

    public func retransmissionSource(of primary: SSRC) -> SSRC? {
        for group in sourceGroups where group.semantics == "FID" && group.sources.count >= 2 && group.sources[0] == primary {
            return group.sources[1]
        }
        return nil
    }
}
