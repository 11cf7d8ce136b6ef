import Wire

/// The header extension ids that the peer agreed to, 1…14 (one-byte form, RFC 8285 clause 4.2) or up to 255 (two-byte).
public struct HeaderExtensionMap: Sendable, Hashable {
    public var mid: UInt8?
    public var absoluteSendTime: UInt8?
    public var transportSequence: UInt8?
    public var playoutDelay: UInt8?
    public var absoluteCaptureTime: UInt8?
    public var videoFrameTrackingID: UInt8?

    public init(_ ids: [HeaderExtension: UInt8] = [:]) {
        mid = ids[.mid]
        absoluteSendTime = ids[.absoluteSendTime]
        transportSequence = ids[.transportSequence]
        playoutDelay = ids[.playoutDelay]
        absoluteCaptureTime = ids[.absoluteCaptureTime]
        videoFrameTrackingID = ids[.videoFrameTrackingID]
    }

    /// Ids above 14 need two-byte elements in the whole packet (RFC 8285 clause 4.3).
    var needsTwoByteForm: Bool {
        [mid, absoluteSendTime, transportSequence, playoutDelay, absoluteCaptureTime, videoFrameTrackingID].contains { $0 ?? 0 > 14 }
    }
}

/// The header extensions of one packet, in the fixed order in which they are written. Equal fields set give equal lengths,
/// so that the packets of one frame keep one size.
public struct HeaderExtensionBlock: Sendable {
    public var transportSequence: UInt16?
    /// 24-bit 6.18 fixed point seconds.
    public var absoluteSendTime: UInt32?
    public var mid: [UInt8]?
    /// Minimum and maximum playout delay in units of 10 ms, 0…4095.
    public var playoutDelay: (minimum: UInt16, maximum: UInt16)?
    /// NTP 32.32 of the capture.
    public var absoluteCaptureTime: UInt64?
    public var videoFrameTrackingID: UInt16?

    public init() {}

    /// Appends the extension header, its elements and the padding to a word; nothing when there is no element to write.
    func write(to out: inout [UInt8], ids: HeaderExtensionMap, twoByte: Bool) {
        let start = out.count
        out.append(u16: twoByte ? 0x1000 : 0xBEDE)
        out.append(u16: 0)
        func element(_ id: UInt8?, _ length: Int) -> Bool {
            guard let id else { return false }
            if twoByte {
                out.append(id)
                out.append(UInt8(length))
            } else {
                out.append(id << 4 | UInt8(length - 1))
            }
            return true
        }
        if let transportSequence, element(ids.transportSequence, 2) { out.append(u16: transportSequence) }
        if let absoluteSendTime, element(ids.absoluteSendTime, 3) {
            out.append(UInt8(truncatingIfNeeded: absoluteSendTime >> 16))
            out.append(u16: UInt16(truncatingIfNeeded: absoluteSendTime))
        }
        if let mid, !mid.isEmpty, mid.count <= 16, element(ids.mid, mid.count) { out.append(contentsOf: mid) }
        if let playoutDelay, element(ids.playoutDelay, 3) {
            let word = UInt32(playoutDelay.minimum & 0xFFF) << 12 | UInt32(playoutDelay.maximum & 0xFFF)
            out.append(UInt8(truncatingIfNeeded: word >> 16))
            out.append(u16: UInt16(truncatingIfNeeded: word))
        }
        if let absoluteCaptureTime, element(ids.absoluteCaptureTime, 8) {
            out.append(u32: UInt32(truncatingIfNeeded: absoluteCaptureTime >> 32))
            out.append(u32: UInt32(truncatingIfNeeded: absoluteCaptureTime))
        }
        if let videoFrameTrackingID, element(ids.videoFrameTrackingID, 2) { out.append(u16: videoFrameTrackingID) }
        let length = out.count - start - 4
        guard length > 0 else {
            out.removeLast(4)
            return
        }
        while (out.count - start) % 4 != 0 { out.append(0) }
        let words = (out.count - start - 4) / 4
        out[start + 2] = UInt8(words >> 8)
        out[start + 3] = UInt8(words & 255)
    }
}

/// Writes RTP headers (RFC 3550 clause 5.1).
public struct RTPHeader: Sendable {
    public var payloadType: PayloadType
    public var marker: Bool
    public var sequenceNumber: UInt16
    public var timestamp: UInt32
    public var ssrc: SSRC

    public init(payloadType: PayloadType, marker: Bool, sequenceNumber: UInt16, timestamp: UInt32, ssrc: SSRC) {
        self.payloadType = payloadType
        self.marker = marker
        self.sequenceNumber = sequenceNumber
        self.timestamp = timestamp
        self.ssrc = ssrc
    }

    public func write(
        to out: inout [UInt8], extensions: HeaderExtensionBlock = HeaderExtensionBlock(), ids: HeaderExtensionMap = HeaderExtensionMap()
    ) {
        let start = out.count
        out.append(0x80)
        out.append((marker ? 0x80 : 0) | payloadType.rawValue)
        out.append(u16: sequenceNumber)
        out.append(u32: timestamp)
        out.append(u32: ssrc.rawValue)
        extensions.write(to: &out, ids: ids, twoByte: ids.needsTwoByteForm)
        if out.count > start + RTPPacket.fixedHeaderLength { out[start] |= 0x10 }
    }
}
