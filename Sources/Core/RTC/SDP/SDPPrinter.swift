import Wire

extension SessionDescription: CustomStringConvertible {
    /// The text, with CRLF at the end of each line (RFC 8866 clause 5).
    public var description: String {
        var printer = SDPPrinter()
        printer.print(self)
        return printer.text
    }
}

struct SDPPrinter {
    private(set) var text = ""

    mutating func line(_ line: String) {
        text += line
        text += "\r\n"
    }

    mutating func print(_ session: SessionDescription) {
        let origin = session.origin
        line("v=0")
        line("o=\(origin.user) \(origin.sessionID) \(origin.version) \(origin.address)")
        line("s=\(session.name.isEmpty ? "-" : session.name)")
        line("t=0 0")
        for group in session.groups { line("a=group:\(([group.semantics] + group.mids).joined(separator: " "))") }
        if session.allowsMixedExtensions { line("a=extmap-allow-mixed") }
        if let semantic = session.msidSemantic { line("a=msid-semantic:\(semantic)") }
        if session.isICELite { line("a=ice-lite") }
        print(session.transport)
        if let direction = session.direction { line("a=\(direction.rawValue)") }
        if session.endOfCandidates { line("a=end-of-candidates") }
        for attribute in session.otherAttributes { line("a=\(attribute)") }
        for section in session.media { print(section) }
    }

    mutating func print(_ transport: TransportAttributes) {
        if let fragment = transport.usernameFragment { line("a=ice-ufrag:\(fragment)") }
        if let password = transport.password { line("a=ice-pwd:\(password)") }
        if !transport.options.isEmpty { line("a=ice-options:\(transport.options.joined(separator: " "))") }
        for fingerprint in transport.fingerprints { line("a=fingerprint:\(fingerprint.algorithm.rawValue) \(Self.digest(fingerprint))") }
        if let setup = transport.setup { line("a=setup:\(setup.rawValue)") }
    }

    /// Upper case, as RFC 8122 clause 5 asks.
    private static func digest(_ fingerprint: Fingerprint) -> String {
        String(decoding: Hex.encode(fingerprint.digest, separator: ":").utf8.map { $0 >= 97 ? $0 - 32 : $0 }, as: UTF8.self)
    }

    private mutating func print(_ section: MediaSection) {
        let formats = section.formats.isEmpty ? ["0"] : section.formats
        line("m=\(section.kind.text) \(section.port) \(section.protocolName) \(formats.joined(separator: " "))")
        line("c=\(section.connection ?? "IN IP4 0.0.0.0")")
        for (modifier, value) in section.bandwidths.sorted(by: { $0.key < $1.key }) { line("b=\(modifier):\(value)") }
        for candidate in section.candidates { line(Self.candidate(candidate)) }
        if section.endOfCandidates { line("a=end-of-candidates") }
        print(section.transport)
        if let mid = section.mid { line("a=mid:\(mid)") }
        if section.allowsMixedExtensions { line("a=extmap-allow-mixed") }
        for map in section.extensions { line("a=extmap:\(map.id)\(map.direction.map { "/\($0.rawValue)" } ?? "") \(map.uri)") }
        if let direction = section.direction { line("a=\(direction.rawValue)") }
        for msid in section.msids { line("a=msid:\(msid.stream)\(msid.track.map { " \($0)" } ?? "")") }
        if section.bundleOnly { line("a=bundle-only") }
        if section.rtcpMux { line("a=rtcp-mux") }
        if section.rtcpMuxOnly { line("a=rtcp-mux-only") }
        if section.reducedSizeRTCP { line("a=rtcp-rsize") }
        for codec in section.codecs { print(codec) }
        for rid in section.restrictions { line("a=rid:\(rid.id) \(rid.isSent ? "send" : "recv")\(rid.rest.map { " \($0)" } ?? "")") }
        if let simulcast = section.simulcast { line("a=simulcast:\(simulcast)") }
        for group in section.sourceGroups {
            line("a=ssrc-group:\(([group.semantics] + group.sources.map { String($0.rawValue) }).joined(separator: " "))")
        }
        for source in section.sources { line("a=ssrc:\(source.source.rawValue) \(source.name)\(source.value.map { ":\($0)" } ?? "")") }
        if let port = section.sctpPort {
            // The older form (draft-ietf-mmusic-sctp-sdp-12).
            line(section.protocolName == "DTLS/SCTP" ? "a=sctpmap:\(port) webrtc-datachannel 1024" : "a=sctp-port:\(port)")
        }
        if let size = section.maximumMessage { line("a=max-message-size:\(size)") }
        for attribute in section.otherAttributes { line("a=\(attribute)") }
    }

    private mutating func print(_ codec: CodecDescription) {
        let type = codec.payloadType.rawValue
        line("a=rtpmap:\(type) \(codec.name)/\(codec.clockRate)\(codec.channels.map { "/\($0)" } ?? "")")
        for feedback in codec.feedback { line("a=rtcp-fb:\(type) \(feedback.text)") }
        if let parameters = codec.parameters { line("a=fmtp:\(type) \(parameters.raw)") }
    }

    /// `candidate:` is added where a caller gave the bare value.
    static func candidate(_ candidate: String) -> String {
        candidate.hasPrefix("candidate:") ? "a=\(candidate)" : "a=candidate:\(candidate)"
    }
}
