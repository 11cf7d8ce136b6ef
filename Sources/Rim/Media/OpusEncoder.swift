internal import COpus

/// Opus for speech in real time: mono, 48 kHz, 20 ms a packet, in-band FEC. Used by one thread at a time.
@safe public final class OpusEncoder {
    public static let samplesPerPacket = 960
    private static let largestPacket = 1150
    private let encoder: OpaquePointer

    /// `bitrate`: 6000…128000 bit/s.
    public init(bitrate: Int) throws(MediaError) {
        guard (6000...128_000).contains(bitrate) else { throw .settings("bitrate: expected 6 to 128 kbit/s, got \(bitrate / 1000)") }
        var code: Int32 = 0
        guard let encoder = unsafe opus_encoder_create(48_000, 1, OPUS_APPLICATION_VOIP, &code), code == OPUS_OK else {
            throw .library("opus_encoder_create", code: Int(code))
        }
        unsafe self.encoder = encoder
        try set(OPUS_SET_BITRATE_REQUEST, Int32(bitrate))
        try set(OPUS_SET_INBAND_FEC_REQUEST, 1)
        try set(OPUS_SET_PACKET_LOSS_PERC_REQUEST, 5)
    }

    deinit { unsafe opus_encoder_destroy(encoder) }

    private func set(_ request: Int32, _ value: Int32) throws(MediaError) {
        let code = unsafe waldo_opus_set(encoder, request, value)
        guard code == OPUS_OK else { throw .library("opus_encoder_ctl \(request)", code: Int(code)) }
    }

    /// One packet of `samplesPerPacket` samples.
    public func encode(_ samples: [Int16]) throws(MediaError) -> [UInt8] {
        guard samples.count == Self.samplesPerPacket else {
            throw .settings("samples: expected \(Self.samplesPerPacket), got \(samples.count)")
        }
        var packet = [UInt8](repeating: 0, count: Self.largestPacket)
        let count = unsafe opus_encode(encoder, samples, Int32(samples.count), &packet, Int32(packet.count))
        guard count > 0 else { throw .library("opus_encode", code: Int(count)) }
        return Array(packet.prefix(Int(count)))
    }
}
