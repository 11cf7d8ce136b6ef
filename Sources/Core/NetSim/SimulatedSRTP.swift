import RTC
import Wire

/// Packets of 1024 numbers back, each let in once (as RFC 3711 clause 3.3.2).
struct ReplayWindow {
    static let size: UInt64 = 1024
    private var highest: UInt64?
    private var seen = [UInt64](repeating: 0, count: 16)

    var last: UInt64? { highest }

    mutating func accept(_ index: UInt64) -> Bool {
        let word = Int(index / 64 % 16), bit: UInt64 = 1 << (index % 64)
        guard let highest else {
            self.highest = index
            seen[word] = bit
            return true
        }
        if index > highest {
            // Words between the old and the new highest are of numbers that nobody has seen.
            let first = highest / 64 + 1, last = index / 64
            if first <= last {
                for w in first...min(last, first + 15) { seen[Int(w % 16)] = 0 }
            }
            self.highest = index
        } else if highest - index >= Self.size - 64 || seen[word] & bit != 0 {
            return false
        }
        seen[word] |= bit
        return true
    }
}

/// Plain packets with a keyed 16-byte tag.
public final class SimulatedSRTP: SRTPSession {
    public let rtpOverhead = 16
    public let rtcpOverhead = 20

    private let keys: SRTPKeyingMaterial
    private var nextRTCP: UInt32 = 1
    private var rtpWindows: [UInt32: ReplayWindow] = [:]
    private var rtcpWindows: [UInt32: ReplayWindow] = [:]

    init(_ keys: SRTPKeyingMaterial) { self.keys = keys }

    public func protectRTP(_ buffer: inout [UInt8], from start: Int) {
        SimulatedDigests.appendTag(key: keys.sendKey, to: &buffer, from: start)
    }

    public func protectRTCP(_ buffer: inout [UInt8], from start: Int) {
        buffer.append(u32: 1 << 31 | nextRTCP)
        nextRTCP += 1
        SimulatedDigests.appendTag(key: keys.sendKey, to: &buffer, from: start)
    }

    public func unprotectRTP(_ packet: Span<UInt8>, into plain: inout [UInt8]) throws(SRTPError) {
        guard packet.count >= 12 + 16 else { throw .tooShort }
        let end = packet.count - 16
        try check(packet, end)
        let ssrc = packet.u32(at: 8), sequence = UInt64(packet.u16(at: 2))
        var window = rtpWindows[ssrc] ?? ReplayWindow()
        guard rtpWindows.count < 256 || rtpWindows[ssrc] != nil else { throw .tooManyStreams }
        // RFC 3711 appendix A: the index nearest to the highest seen; it begins one roll-over up, so that it may fall.
        var index = 1 << 16 | sequence
        if let last = window.last {
            index = last & ~0xFFFF | sequence
            if index + 0x8000 < last { index += 1 << 16 } else if index > last + 0x8000, index >= 1 << 16 { index -= 1 << 16 }
        }
        guard window.accept(index) else { throw .replayed }
        rtpWindows[ssrc] = window
        plain.append(span: packet.extracting(0..<end))
    }

    public func unprotectRTCP(_ packet: Span<UInt8>, into plain: inout [UInt8]) throws(SRTPError) {
        guard packet.count >= 8 + 20 else { throw .tooShort }
        let end = packet.count - 16
        try check(packet, end)
        let ssrc = packet.u32(at: 4)
        guard rtcpWindows.count < 256 || rtcpWindows[ssrc] != nil else { throw .tooManyStreams }
        guard rtcpWindows[ssrc, default: ReplayWindow()].accept(UInt64(packet.u32(at: end - 4) & 0x7FFF_FFFF)) else { throw .replayed }
        plain.append(span: packet.extracting(0..<(end - 4)))
    }

    private func check(_ packet: Span<UInt8>, _ end: Int) throws(SRTPError) {
        guard SimulatedDigests.hasTag(key: keys.receiveKey, packet, end: end) else { throw .authentication }
    }
}
