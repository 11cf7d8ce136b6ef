internal import CZlib
import HTTP
import Wire

/// permessage-deflate by zlib (RFC 7692 clause 7.2). Nothing is kept between messages, so one serves all connections with the same window.
@safe package final class DeflateCompressor: WebSocketCompressor {
    private let deflater: UnsafeMutablePointer<z_stream>
    private let inflater: UnsafeMutablePointer<z_stream>

    /// The empty block that is left out on the wire.
    private static let tail: [UInt8] = [0, 0, 0xFF, 0xFF]
    private static let piece = 16 << 10
    /// Of one message: each costs more than its two bytes.
    private static let mostFinalBlocks = 64

    /// `windowBits`: 9 to 15, of what is compressed; what comes may have any window.
    package init(windowBits: Int) {
        unsafe deflater = .allocate(capacity: 1)
        unsafe inflater = .allocate(capacity: 1)
        unsafe deflater.initialize(to: z_stream())
        unsafe inflater.initialize(to: z_stream())
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // Raw deflate: a negative window. The balance of speed and size that suits small messages.
        let code = unsafe deflateInit2_(
            deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -Int32(windowBits), 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
        precondition(code == Z_OK, "zlib takes windows of 9 to 15 bits, got \(windowBits)")
        let started = unsafe inflateInit2_(inflater, -15, ZLIB_VERSION, size)
        precondition(started == Z_OK, "no memory for zlib")
    }

    deinit {
        _ = unsafe deflateEnd(deflater)
        _ = unsafe inflateEnd(inflater)
        unsafe deflater.deallocate()
        unsafe inflater.deallocate()
    }

    package func compress(_ message: Span<UInt8>, into out: inout [UInt8]) {
        _ = unsafe deflateReset(deflater)
        _ = unsafe run(message, deflater, into: &out, limit: .max) { unsafe deflate($0, Z_SYNC_FLUSH) }
        if out.count >= 4, Array(out.suffix(4)) == Self.tail { out.removeLast(4) }
    }

    package func expand(_ message: Span<UInt8>, into out: inout [UInt8], limit: Int) -> Bool {
        _ = unsafe inflateReset(inflater)
        guard unsafe run(message, inflater, into: &out, limit: limit, { unsafe inflate($0, Z_SYNC_FLUSH) }) else { return false }
        return unsafe run(Self.tail.span, inflater, into: &out, limit: limit) { unsafe inflate($0, Z_SYNC_FLUSH) }
    }

    /// Feeds all of `input`; false when zlib finds it damaged or more than `limit` bytes come out.
    private func run(
        _ input: Span<UInt8>, _ stream: UnsafeMutablePointer<z_stream>, into out: inout [UInt8], limit: Int,
        _ step: (UnsafeMutablePointer<z_stream>) -> Int32
    ) -> Bool {
        unsafe input.withUnsafeBufferPointer { bytes in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(bytes.count)
            var finalBlocks = 0
            while true {
                var code = Z_OK, produced = 0
                // One byte more than is allowed: whether there is one tells that it is too long.
                let room = min(Self.piece, limit - out.count) + 1
                out.append(
                    contentsOf: unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
                        unsafe stream.pointee.next_out = buffer.baseAddress
                        unsafe stream.pointee.avail_out = UInt32(room)
                        code = unsafe step(stream)
                        filled = room - Int(unsafe stream.pointee.avail_out)
                        produced = filled
                    })
                guard out.count <= limit else { return false }
                // Z_BUF_ERROR: nothing was left to do.
                guard code == Z_OK || code == Z_BUF_ERROR || code == Z_STREAM_END else { return false }
                if code == Z_STREAM_END {
                    // A sender may end a message with a final block, and begin another after it (RFC 7692 clause 7.2.3.4).
                    finalBlocks += 1
                    guard finalBlocks <= Self.mostFinalBlocks else { return false }
                    _ = unsafe inflateReset(stream)
                    if unsafe stream.pointee.avail_in == 0 { return true }
                    continue
                }
                if produced < room { return unsafe stream.pointee.avail_in == 0 }
            }
        }
    }
}
