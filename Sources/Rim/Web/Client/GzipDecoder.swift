internal import CZlib

/// Expands a body in gzip (RFC 1952) as it comes, in memory that does not grow with it.
@safe package final class GzipDecoder {
    package enum Outcome: Sendable { case done, damaged, tooLong }

    private let inflater: UnsafeMutablePointer<z_stream>
    private var left: Int
    private let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 16 << 10)
    /// Before the first byte and between members, where the data may end.
    package private(set) var isAtEnd = true

    /// `limit`: of what comes out, bytes.
    package init(limit: Int) {
        left = limit
        unsafe inflater = .allocate(capacity: 1)
        unsafe inflater.initialize(to: z_stream())
        // 16 more than the window: with the head and the sum of gzip.
        let code = unsafe inflateInit2_(inflater, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(code == Z_OK, "no memory for zlib")
    }

    deinit {
        _ = unsafe inflateEnd(inflater)
        unsafe inflater.deallocate()
        unsafe scratch.deallocate()
    }

    /// Hands on what the bytes hold, piece by piece.
    package func expand(_ bytes: Span<UInt8>, _ deliver: (Span<UInt8>) -> Void) -> Outcome {
        unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe inflater.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
            unsafe inflater.pointee.avail_in = UInt32(clamping: bytes.count)
            while true {
                if isAtEnd {
                    guard unsafe inflater.pointee.avail_in > 0 else { return .done }
                    // Members may follow one another (RFC 1952 clause 2.2).
                    _ = unsafe inflateReset(inflater)
                    isAtEnd = false
                }
                unsafe inflater.pointee.next_out = scratch.baseAddress
                unsafe inflater.pointee.avail_out = UInt32(scratch.count)
                let code = unsafe inflate(inflater, Z_NO_FLUSH)
                guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else { return .damaged }
                let produced = unsafe scratch.count - Int(inflater.pointee.avail_out)
                guard produced <= left else { return .tooLong }
                left -= produced
                if produced > 0 { unsafe deliver(Span(_unsafeElements: UnsafeBufferPointer(rebasing: scratch[..<produced]))) }
                if code == Z_STREAM_END {
                    isAtEnd = true
                } else if unsafe produced < scratch.count && inflater.pointee.avail_in == 0 {
                    return .done
                } else if code == Z_BUF_ERROR, produced == 0 {
                    return unsafe inflater.pointee.avail_in == 0 ? .done : .damaged
                }
            }
        }
    }
}
