/// Gathers the lines of one `m=` section. The lines of a payload type may come in any order, so they are joined at the end.
struct MediaSectionParser {
    var section: MediaSection
    private var mappings: [PayloadType: (name: String, clockRate: UInt32, channels: UInt8?)] = [:]
    private var formats: [PayloadType: String] = [:]
    private var feedback: [(payloadType: PayloadType?, feedback: Feedback)] = []
    private var candidateCount = 0

    init(_ line: SDPLine) throws(SDPError) {
        let words = line.value.words()
        guard words.count >= 3, words.count <= SDPLimit.values + 3, words[0].isToken else { throw line.broken(.media) }
        // A range of ports ("9/2") is of no use to us, its first port is.
        guard let port: UInt16 = (words[1].parted(at: "/")?.0 ?? words[1]).decimal() else { throw line.broken(.media) }
        section = MediaSection(
            kind: .init(words[0].text), port: port, protocolName: words[2].text, formats: words.dropFirst(3).map(\.text))
        if section.isSecureMedia && section.port != 0 {
            for format in words.dropFirst(3) {
                guard let value: UInt8 = format.decimal(), value < 128 else { throw line.broken(.payloadType) }
            }
        }
    }

    mutating func readBandwidth(_ line: SDPLine) {
        guard let (modifier, value) = line.value.parted(at: ":"), modifier.isToken, let value: UInt64 = value.trimmed.decimal(),
            section.bandwidths.count < SDPLimit.values
        else { return }
        section.bandwidths[modifier.text] = value
    }

    mutating func readAttribute(_ line: SDPLine) throws(SDPError) {
        if try section.transport.read(line) { return }
        let argument = line.argument?.trimmed ?? []
        switch line.name {
        case "mid":
            guard argument.isToken else { throw line.broken(.token) }
            section.mid = argument.text
        case "sendrecv", "sendonly", "recvonly", "inactive": section.direction = MediaDirection(rawValue: line.name)
        case "rtcp-mux": section.rtcpMux = true
        case "rtcp-mux-only": section.rtcpMuxOnly = true
        case "rtcp-rsize": section.reducedSizeRTCP = true
        case "bundle-only": section.bundleOnly = true
        case "extmap-allow-mixed": section.allowsMixedExtensions = true
        case "end-of-candidates": section.endOfCandidates = true
        case "candidate":
            // A flood of candidates is no reason to fail, and no reason to keep them.
            if section.candidates.count < SDPLimit.values { section.candidates.append(line.value.trimmed.text) }
        case "rtpmap": try readMapping(line, argument)
        case "fmtp": readFormat(argument)
        case "rtcp-fb": readFeedback(argument)
        case "extmap": try readExtension(line, argument)
        case "msid": readIdentity(argument)
        case "ssrc": try readSource(line, argument)
        case "ssrc-group": try readSourceGroup(line, argument)
        case "rid": readRestriction(argument)
        case "simulcast": section.simulcast = argument.text
        case "sctp-port":
            guard let port: UInt16 = argument.decimal() else { throw line.broken(.port) }
            section.sctpPort = port
        case "sctpmap":
            guard let port: UInt16 = argument.words().first?.decimal() else { throw line.broken(.port) }
            if section.sctpPort == nil { section.sctpPort = port }
        case "max-message-size":
            guard let size: UInt64 = argument.decimal() else { throw line.broken(.messageSize) }
            section.maximumMessage = size
        default:
            section.otherAttributes.append(line.value.text)
        }
    }

    func finish() -> MediaSection {
        var section = section
        guard section.kind.media != nil, !section.isRejected else { return section }
        var seen: Set<PayloadType> = []
        for format in section.formats {
            guard let value: UInt8 = ArraySlice(format.utf8).decimal(), value < 128 else { continue }
            let payloadType = PayloadType(value)
            guard seen.insert(payloadType).inserted, let mapping = mappings[payloadType] ?? Self.fixedMapping(value) else { continue }
            var codec = CodecDescription(
                payloadType: payloadType, name: mapping.name, clockRate: mapping.clockRate, channels: mapping.channels,
                parameters: formats[payloadType].map(FormatParameters.init))
            for (target, feedback) in feedback where target == nil || target == payloadType {
                if !codec.feedback.contains(feedback) { codec.feedback.append(feedback) }
            }
            section.codecs.append(codec)
        }
        return section
    }

    /// Payload types that need no `a=rtpmap` (RFC 3551 clause 6), those that browsers still name.
    private static func fixedMapping(_ value: UInt8) -> (name: String, clockRate: UInt32, channels: UInt8?)? {
        switch value {
        case 0: ("PCMU", 8000, nil)
        case 8: ("PCMA", 8000, nil)
        case 9: ("G722", 8000, nil)
        case 13: ("CN", 8000, nil)
        default: nil
        }
    }

    private mutating func readMapping(_ line: SDPLine, _ argument: SDPText) throws(SDPError) {
        let words = argument.words()
        guard words.count == 2, let value: UInt8 = words[0].decimal() else { throw line.broken(.mapping) }
        guard value < 128 else { throw line.broken(.payloadType) }
        let parts = words[1].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, parts[0].isToken, let clockRate: UInt32 = parts[1].decimal(), clockRate > 0
        else { throw line.broken(.mapping) }
        var channels: UInt8?
        if parts.count == 3 {
            guard let count: UInt8 = parts[2].decimal(), count > 0 else { throw line.broken(.mapping) }
            channels = count
        }
        mappings[PayloadType(value)] = (parts[0].text, clockRate, channels)
    }

    private mutating func readFormat(_ argument: SDPText) {
        let words = argument.words(limit: 2)
        guard words.count == 2, let value: UInt8 = words[0].decimal(), value < 128 else { return }
        let payloadType = PayloadType(value)
        formats[payloadType] = formats[payloadType].map { "\($0);\(words[1].trimmed.text)" } ?? words[1].trimmed.text
    }

    private mutating func readFeedback(_ argument: SDPText) {
        let words = argument.words()
        guard words.count >= 2, feedback.count < SDPLimit.values * 4 else { return }
        let kind = Feedback(words.dropFirst().map(\.text).joined(separator: " "))
        if words[0].elementsEqual([UInt8(ascii: "*")]) {
            feedback.append((nil, kind))
        } else if let value: UInt8 = words[0].decimal(), value < 128 {
            feedback.append((PayloadType(value), kind))
        }
    }

    private mutating func readExtension(_ line: SDPLine, _ argument: SDPText) throws(SDPError) {
        let words = argument.words()
        guard words.count >= 2 else { throw line.broken(.extensionMap) }
        let (idText, directionText) = words[0].parted(at: "/").map { ($0, Optional($1)) } ?? (words[0], nil)
        guard let id: UInt16 = idText.decimal(), id > 0 else { throw line.broken(.extensionMap) }
        // 4096…4351 offer a choice (RFC 8285 clause 7); we take none of it.
        guard let id = UInt8(exactly: id) else {
            guard (4096...4351).contains(id) else { throw line.broken(.extensionMap) }
            return
        }
        var direction: MediaDirection?
        if let directionText {
            guard let named = MediaDirection(rawValue: directionText.text) else { throw line.broken(.extensionMap) }
            direction = named
        }
        guard section.extensions.count < SDPLimit.values else { throw line.broken(.tooManyValues) }
        section.extensions.append(.init(id: id, direction: direction, uri: words[1].text))
    }

    private mutating func readIdentity(_ argument: SDPText) {
        let words = argument.words()
        guard let stream = words.first, section.msids.count < SDPLimit.values else { return }
        section.msids.append(.init(stream: stream.text, track: words.count > 1 ? words[1].text : nil))
    }

    private mutating func readSource(_ line: SDPLine, _ argument: SDPText) throws(SDPError) {
        let words = argument.words(limit: 2)
        guard let number: UInt32 = words.first?.decimal() else { throw line.broken(.source) }
        guard section.sources.count < SDPLimit.values else { throw line.broken(.tooManyValues) }
        guard words.count == 2 else { throw line.broken(.source) }
        let (name, value) = words[1].parted(at: ":").map { ($0, Optional($1)) } ?? (words[1], nil)
        section.sources.append(.init(source: SSRC(number), name: name.trimmed.text, value: value?.trimmed.text))
    }

    private mutating func readSourceGroup(_ line: SDPLine, _ argument: SDPText) throws(SDPError) {
        let words = argument.words()
        guard words.count >= 2, words[0].isToken else { throw line.broken(.source) }
        guard words.count <= SDPLimit.values, section.sourceGroups.count < SDPLimit.values else { throw line.broken(.tooManyValues) }
        var sources: [SSRC] = []
        for word in words.dropFirst() {
            guard let number: UInt32 = word.decimal() else { throw line.broken(.source) }
            sources.append(SSRC(number))
        }
        section.sourceGroups.append(.init(semantics: words[0].text, sources: sources))
    }

    private mutating func readRestriction(_ argument: SDPText) {
        let words = argument.words(limit: 3)
        guard words.count >= 2, section.restrictions.count < SDPLimit.values else { return }
        let isSent = words[1].elementsEqual(Array("send".utf8))
        guard isSent || words[1].elementsEqual(Array("recv".utf8)) else { return }
        section.restrictions.append(.init(id: words[0].text, isSent: isSent, rest: words.count > 2 ? words[2].text : nil))
    }
}
