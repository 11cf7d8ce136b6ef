internal import COpenSSL

/// HMAC-SHA1 (RFC 2104) with one key for many packets: the two keyed states are made once and copied for each.
struct PacketMAC {
    private let inner: SHA_CTX
    private let outer: SHA_CTX

    /// `key`: at most 64 bytes.
    init(key: [UInt8]) {
        precondition(key.count <= 64, "an SRTP authentication key is 20 bytes")
        inner = Self.state(key, 0x36)
        outer = Self.state(key, 0x5C)
    }

    private static func state(_ key: [UInt8], _ pad: UInt8) -> SHA_CTX {
        let block = key.map { $0 ^ pad } + [UInt8](repeating: pad, count: 64 - key.count)
        var state = SHA_CTX()
        unsafe sha1_begin(&state)
        unsafe sha1_add(&state, block, block.count)
        return state
    }

    /// Writes 20 bytes to `digest`: the MAC over `bytes` and then `more`.
    func authenticate(_ bytes: UnsafeMutableRawBufferPointer, _ more: UInt32?, into digest: UnsafeMutablePointer<UInt8>) {
        var state = inner
        unsafe sha1_add(&state, bytes.baseAddress, bytes.count)
        if var word = more?.bigEndian { unsafe sha1_add(&state, &word, 4) }
        unsafe sha1_end(&state, digest)
        state = outer
        unsafe sha1_add(&state, digest, 20)
        unsafe sha1_end(&state, digest)
    }
}
