import Wire

extension RTCPPacket {
    /// Appends the packet's bytes. `other` writes nothing.
    public func write(to out: inout [UInt8]) {
        switch self {
        case .senderReport(let ssrc, let information, let blocks):
            let start = RTCPPacket.begin(&out, type: 200, count: min(blocks.count, 31))
            out.append(u32: ssrc.rawValue)
            out.append(u32: UInt32(truncatingIfNeeded: information.ntp >> 32))
            out.append(u32: UInt32(truncatingIfNeeded: information.ntp))
            out.append(u32: information.rtpTimestamp)
            out.append(u32: information.packets)
            out.append(u32: information.octets)
            for block in blocks.prefix(31) { block.write(to: &out) }
            RTCPPacket.end(&out, start)
        case .receiverReport(let ssrc, let blocks):
            let start = RTCPPacket.begin(&out, type: 201, count: min(blocks.count, 31))
            out.append(u32: ssrc.rawValue)
            for block in blocks.prefix(31) { block.write(to: &out) }
            RTCPPacket.end(&out, start)
        case .sourceDescription(let chunks):
            let start = RTCPPacket.begin(&out, type: 202, count: min(chunks.count, 31))
            for chunk in chunks.prefix(31) {
                let text = Array(chunk.cname.utf8.prefix(255))
                out.append(u32: chunk.ssrc.rawValue)
                out.append(1)
                out.append(UInt8(text.count))
                out.append(contentsOf: text)
                out.append(0)
                while (out.count - start) % 4 != 0 { out.append(0) }
            }
            RTCPPacket.end(&out, start)
        case .goodbye(let sources):
            let start = RTCPPacket.begin(&out, type: 203, count: min(sources.count, 31))
            for source in sources.prefix(31) { out.append(u32: source.rawValue) }
            RTCPPacket.end(&out, start)
        case .nack(let sender, let media, let numbers):
            let start = RTCPPacket.beginFeedback(&out, type: 205, format: 1, sender, media)
            RTCPPacket.writeNack(numbers, to: &out)
            RTCPPacket.end(&out, start)
        case .pictureLoss(let sender, let media):
            RTCPPacket.end(&out, RTCPPacket.beginFeedback(&out, type: 206, format: 1, sender, media))
        case .fullIntraRequest(let sender, let entries):
            let start = RTCPPacket.beginFeedback(&out, type: 206, format: 4, sender, SSRC(0))
            for entry in entries {
                out.append(u32: entry.ssrc.rawValue)
                out.append(u32: UInt32(entry.sequence) << 24)
            }
            RTCPPacket.end(&out, start)
        case .remb(let sender, let bitrate, let sources):
            let start = RTCPPacket.beginFeedback(&out, type: 206, format: 15, sender, SSRC(0))
            let exponent = max(0, 46 - bitrate.leadingZeroBitCount)
            out.append(u32: 0x5245_4D42)
            out.append(UInt8(min(sources.count, 255)))
            let word = UInt32(exponent) << 18 | UInt32(truncatingIfNeeded: bitrate >> UInt64(exponent))
            out.append(UInt8(truncatingIfNeeded: word >> 16))
            out.append(u16: UInt16(truncatingIfNeeded: word))
            for source in sources.prefix(255) { out.append(u32: source.rawValue) }
            RTCPPacket.end(&out, start)
        case .transportFeedback(let feedback):
            let start = RTCPPacket.beginFeedback(&out, type: 205, format: 15, feedback.sender, feedback.media)
            feedback.writeBody(to: &out)
            RTCPPacket.end(&out, start)
        case .other: break
        }
    }

    private static func begin(_ out: inout [UInt8], type: UInt8, count: Int) -> Int {
        out.append(0x80 | UInt8(count))
        out.append(type)
        out.append(u16: 0)
        return out.count - 4
    }

    private static func beginFeedback(_ out: inout [UInt8], type: UInt8, format: Int, _ sender: SSRC, _ media: SSRC) -> Int {
        let start = begin(&out, type: type, count: format)
        out.append(u32: sender.rawValue)
        out.append(u32: media.rawValue)
        return start
    }

    private static func end(_ out: inout [UInt8], _ start: Int) {
        while (out.count - start) % 4 != 0 { out.append(0) }
        let words = (out.count - start) / 4 - 1
        out[start + 2] = UInt8(words >> 8)
        out[start + 3] = UInt8(words & 255)
    }

    /// Packs ascending runs into packet id + bit mask (RFC 4585 clause 6.2.1).
    private static func writeNack(_ numbers: [UInt16], to out: inout [UInt8]) {
        var index = 0
        while index < numbers.count {
            let first = numbers[index]
            var mask: UInt16 = 0
            index += 1
            while index < numbers.count {
                let distance = numbers[index] &- first
                guard distance >= 1, distance <= 16 else { break }
                mask |= 1 << (distance - 1)
                index += 1
            }
            out.append(u16: first)
            out.append(u16: mask)
        }
    }
}

extension ReportBlock {
    fileprivate func write(to out: inout [UInt8]) {
        let lost = min(max(cumulativeLost, -0x80_0000), 0x7F_FFFF)
        out.append(u32: ssrc.rawValue)
        out.append(u32: UInt32(fractionLost) << 24 | UInt32(bitPattern: lost) & 0xFF_FFFF)
        out.append(u32: highestSequence)
        out.append(u32: jitter)
        out.append(u32: lastSenderReport)
        out.append(u32: delaySinceLastSenderReport)
    }
}
