internal import COpus
import RTC

/// Opus to 20 ms pieces, mono, 48 kHz, with what was lost made up. Used by one thread at a time.
@safe public final class OpusDecoder {
    public static let samplesPerPiece = 960
    /// Samples: 200 ms. What is lost for longer is silence, and is left out.
    private static let longestConcealment = 9600
    private let decoder: OpaquePointer
    /// Lost before the packet that comes next, samples.
    private var lost = 0
    /// Decoded and not yet a whole piece.
    private var rest: [Int16] = []
    public private(set) var concealedSamples = 0
    /// Packets that were no Opus.
    public private(set) var malformed = 0

    public init() throws(MediaError) {
        var code: Int32 = 0
        guard let decoder = unsafe opus_decoder_create(48_000, 1, &code), code == OPUS_OK else {
            throw .library("opus_decoder_create", code: Int(code))
        }
        unsafe self.decoder = decoder
    }

    deinit { unsafe opus_decoder_destroy(decoder) }

    /// Takes what a peer's receiver hands over; `handle` gets each 960 samples that are ready. What is no Opus is counted, and concealed
    /// like a loss.
    public func receive(_ audio: ReceivedAudio, _ handle: ([Int16]) -> Void) {
        switch audio {
        case .lost(let samples): lost = min(lost + max(samples, 0), Self.longestConcealment)
        case .packet(let bytes, _):
            guard let samples = OpusPayload.samples(bytes.span) else {
                malformed += 1
                lost = min(lost + Self.samplesPerPiece, Self.longestConcealment)
                return
            }
            if lost > 0 { conceal(before: bytes, of: samples) }
            if !decode(bytes, samples, fec: false) {
                malformed += 1
                lost = samples
            }
        }
        while rest.count >= Self.samplesPerPiece {
            handle(Array(rest.prefix(Self.samplesPerPiece)))
            rest.removeFirst(Self.samplesPerPiece)
        }
    }

    /// The last packet that was lost may be told in the one that came (RFC 6716 clause 2.1.7); those before it are guessed.
    private func conceal(before packet: [UInt8], of samples: Int) {
        concealedSamples += lost
        var guessed = max(0, lost - samples)
        // The library makes up whole steps of 2.5 ms.
        guessed -= guessed % 120
        while guessed > 0 {
            let piece = min(guessed, Self.samplesPerPiece)
            guard decode([], piece, fec: false) else { break }
            guessed -= piece
        }
        _ = decode(packet, samples, fec: true)
        lost = 0
    }

    private func decode(_ packet: [UInt8], _ samples: Int, fec: Bool) -> Bool {
        let start = rest.count
        rest.append(contentsOf: repeatElement(0, count: samples))
        let count = unsafe rest.withUnsafeMutableBufferPointer { buffer in
            unsafe packet.withUnsafeBufferPointer { packet in
                unsafe opus_decode(
                    decoder, packet.isEmpty ? nil : packet.baseAddress, Int32(packet.count), buffer.baseAddress! + start, Int32(samples),
                    fec ? 1 : 0)
            }
        }
        rest.removeLast(samples - max(0, min(Int(count), samples)))
        return count > 0
    }
}
