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
        let largest = max(max(mid ?? 0, absoluteSendTime ?? 0, transportSequence ?? 0), max(playoutDelay ?? 0, absoluteCaptureTime ?? 0))
        return max(largest, videoFrameTrackingID ?? 0) > 14
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
    fileprivate func write(to out: inout HeaderBytes, ids: HeaderExtensionMap) {
        let twoByte = ids.needsTwoByteForm
        let start = out.count
        out.append(u16: twoByte ? 0x1000 : 0xBEDE)
        out.append(u16: 0)
        func element(_ id: UInt8?, _ length: Int, _ out: inout HeaderBytes) -> Bool {
            guard let id else { return false }
            if twoByte {
                out.append(id)
                out.append(UInt8(length))
            } else {
                out.append(id << 4 | UInt8(length - 1))
            }
            return true
        }
        if let transportSequence, element(ids.transportSequence, 2, &out) { out.append(u16: transportSequence) }
        if let absoluteSendTime, element(ids.absoluteSendTime, 3, &out) { out.append(u24: absoluteSendTime) }
        if let mid, !mid.isEmpty, mid.count <= 16, element(ids.mid, mid.count, &out) { for byte in mid { out.append(byte) } }
        if let playoutDelay, element(ids.playoutDelay, 3, &out) {
            out.append(u24: UInt32(playoutDelay.minimum & 0xFFF) << 12 | UInt32(playoutDelay.maximum & 0xFFF))
        }
        if let absoluteCaptureTime, element(ids.absoluteCaptureTime, 8, &out) {
            out.append(u32: UInt32(truncatingIfNeeded: absoluteCaptureTime >> 32))
            out.append(u32: UInt32(truncatingIfNeeded: absoluteCaptureTime))
        }
        if let videoFrameTrackingID, element(ids.videoFrameTrackingID, 2, &out) { out.append(u16: videoFrameTrackingID) }
        guard out.count > start + 4 else {
            out.count = start
            return
        }
        while (out.count - start) % 4 != 0 { out.append(0) }
        let words = (out.count - start - 4) / 4
        out.bytes[start + 2] = UInt8(words >> 8)
        out.bytes[start + 3] = UInt8(words & 255)
    }
}

/// A header being written, on the stack: an array asks with every byte whether it is its own and has room.
private struct HeaderBytes {
    /// 12 of fixed header, 4 of extension header, and 46 of elements in their longest form are the most.
    var bytes = InlineArray<80, UInt8>(repeating: 0)
    var count = 0

    mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }
    mutating func append(u16 value: UInt16) {
        append(UInt8(truncatingIfNeeded: value >> 8))
        append(UInt8(truncatingIfNeeded: value))
    }
    mutating func append(u24 value: UInt32) {
        append(UInt8(truncatingIfNeeded: value >> 16))
        append(u16: UInt16(truncatingIfNeeded: value))
    }
    mutating func append(u32 value: UInt32) {
        append(u16: UInt16(truncatingIfNeeded: value >> 16))
        append(u16: UInt16(truncatingIfNeeded: value))
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
        var header = HeaderBytes()
        header.append(0x80)
        header.append((marker ? 0x80 : 0) | payloadType.rawValue)
        header.append(u16: sequenceNumber)
        header.append(u32: timestamp)
        header.append(u32: ssrc.rawValue)
        extensions.write(to: &header, ids: ids)
        if header.count > RTPPacket.fixedHeaderLength { header.bytes[0] |= 0x10 }
        out.append(span: header.bytes.span.extracting(..<header.count))
    }
}
