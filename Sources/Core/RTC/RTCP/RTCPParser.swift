import Wire

extension RTCPPacket {
    /// Most packets taken from one compound; a datagram cannot usefully hold more.
    private static let maximumPackets = 64

    /// Reads a compound or reduced-size (RFC 5506) RTCP datagram. Packets of unknown types are `other`; one that contradicts itself fails the whole.
    public static func parse(_ bytes: Span<UInt8>) throws(RTCPError) -> [RTCPPacket] {
        var packets: [RTCPPacket] = []
        var arrivals: [Int16?] = []
        try parse(bytes, into: &packets, arrivals: &arrivals)
        return packets
    }

    /// The same into an array that is used again and again. The first transport-wide feedback takes over the storage of `arrivals`.
    static func parse(
        _ bytes: Span<UInt8>, into packets: inout [RTCPPacket], arrivals: inout [Int16?]
    ) throws(RTCPError) {
        var offset = 0
        while offset < bytes.count, packets.count < maximumPackets {
            guard bytes.count - offset >= 4 else { throw .truncated }
            let first = bytes[offset], type = bytes[offset + 1]
            guard first >> 6 == 2 else { throw .version(first >> 6) }
            guard (192...223).contains(type) else { throw .notRTCP(packetType: type) }
            let length = 4 * (Int(bytes.u16(at: offset + 2)) + 1)
            guard length <= bytes.count - offset else { throw .truncated }
            var end = offset + length
            if first & 0x20 != 0 {
                let padding = Int(bytes[end - 1])
                guard padding > 0, padding <= length - 4 else { throw .malformed(packetType: type) }
                end -= padding
            }
            guard let packet = parseBody(type, first & 0x1F, bytes.extracting((offset + 4)..<end), &arrivals) else {
                throw .malformed(packetType: type)
            }
            packets.append(packet)
            offset += length
        }
    }

    private static func parseBody(_ type: UInt8, _ count: UInt8, _ body: Span<UInt8>, _ arrivals: inout [Int16?]) -> RTCPPacket? {
        switch (type, count) {
        case (200, _): return senderReport(Int(count), body)
        case (201, _): return receiverReport(Int(count), body)
        case (202, _): return sourceDescription(Int(count), body)
        case (203, _): return goodbye(Int(count), body)
        case (205, 1): return nack(body)
        case (205, 15): return TransportFeedback(body, storage: &arrivals).map { .transportFeedback($0) }
        case (206, 1):
            guard body.count >= 8 else { return nil }
            return .pictureLoss(sender: SSRC(body.u32(at: 0)), media: SSRC(body.u32(at: 4)))
        case (206, 4): return fullIntraRequest(body)
        case (206, 15): return remb(body)
        default: return .other(packetType: type, format: count)
        }
    }

    private static func senderReport(_ count: Int, _ body: Span<UInt8>) -> RTCPPacket? {
        guard body.count >= 24 + 24 * count else { return nil }
        let information = SenderInformation(
            ntp: UInt64(body.u32(at: 4)) << 32 | UInt64(body.u32(at: 8)), rtpTimestamp: body.u32(at: 12),
            packets: body.u32(at: 16), octets: body.u32(at: 20))
        return .senderReport(SSRC(body.u32(at: 0)), information, reportBlocks(count, body, from: 24))
    }

    private static func receiverReport(_ count: Int, _ body: Span<UInt8>) -> RTCPPacket? {
        guard body.count >= 4 + 24 * count else { return nil }
        return .receiverReport(SSRC(body.u32(at: 0)), reportBlocks(count, body, from: 4))
    }

    private static func reportBlocks(_ count: Int, _ body: Span<UInt8>, from start: Int) -> [ReportBlock] {
        var blocks: [ReportBlock] = []
        for index in 0..<count {
            let at = start + 24 * index
            // The 24-bit count is signed: shift it up and back.
            let lost = Int32(bitPattern: body.u32(at: at + 4) << 8) >> 8
            blocks.append(
                ReportBlock(
                    ssrc: SSRC(body.u32(at: at)), fractionLost: body[at + 4], cumulativeLost: lost,
                    highestSequence: body.u32(at: at + 8), jitter: body.u32(at: at + 12),
                    lastSenderReport: body.u32(at: at + 16), delaySinceLastSenderReport: body.u32(at: at + 20)))
        }
        return blocks
    }

    private static func sourceDescription(_ count: Int, _ body: Span<UInt8>) -> RTCPPacket? {
        var chunks: [SourceDescription] = []
        var reader = ByteReader(body)
        for _ in 0..<count {
            guard let ssrc = reader.u32() else { return nil }
            var cname = ""
            while true {
                guard let item = reader.u8() else { return nil }
                if item == 0 { break }
                guard let length = reader.u8(), let text = reader.array(Int(length)) else { return nil }
                if item == 1 { cname = String(decoding: text, as: UTF8.self) }
            }
            let padding = (4 - reader.offset % 4) % 4
            guard reader.skip(min(padding, reader.remaining)) else { return nil }
            chunks.append(SourceDescription(ssrc: SSRC(ssrc), cname: cname))
        }
        return .sourceDescription(chunks)
    }

    private static func goodbye(_ count: Int, _ body: Span<UInt8>) -> RTCPPacket? {
        guard body.count >= 4 * count else { return nil }
        return .goodbye((0..<count).map { index in SSRC(body.u32(at: 4 * index)) })
    }

    private static func nack(_ body: Span<UInt8>) -> RTCPPacket? {
        guard body.count >= 8 else { return nil }
        var numbers: [UInt16] = []
        var at = 8
        while at + 4 <= body.count {
            let first = body.u16(at: at), mask = body.u16(at: at + 2)
            numbers.append(first)
            for bit in 0..<16 where mask >> UInt16(bit) & 1 == 1 { numbers.append(first &+ UInt16(bit) &+ 1) }
            at += 4
        }
        return .nack(sender: SSRC(body.u32(at: 0)), media: SSRC(body.u32(at: 4)), numbers)
    }

    private static func fullIntraRequest(_ body: Span<UInt8>) -> RTCPPacket? {
        guard body.count >= 8 else { return nil }
        var entries: [FIREntry] = []
        var at = 8
        while at + 8 <= body.count {
            entries.append(FIREntry(ssrc: SSRC(body.u32(at: at)), sequence: body[at + 4]))
            at += 8
        }
        return .fullIntraRequest(sender: SSRC(body.u32(at: 0)), entries)
    }

    /// draft-alvestrand-rmcat-remb clause 2.2: "REMB", count, 6-bit exponent, 18-bit mantissa. Other application feedback is `other`.
    private static func remb(_ body: Span<UInt8>) -> RTCPPacket? {
        guard body.count >= 8 else { return nil }
        guard body.count >= 16, body.u32(at: 8) == 0x5245_4D42 else { return .other(packetType: 206, format: 15) }
        let count = Int(body[12])
        guard body.count >= 16 + 4 * count else { return nil }
        let exponent = UInt64(body[13] >> 2)
        let mantissa = UInt64(body[13] & 3) << 16 | UInt64(body.u16(at: 14))
        let bitrate = mantissa.leadingZeroBitCount > exponent ? mantissa << exponent : .max
        return .remb(
            sender: SSRC(body.u32(at: 0)), bitrate: bitrate, (0..<count).map { index in SSRC(body.u32(at: 16 + 4 * index)) })
    }
}
