internal import COpenSSL
package import RTC

/// The session keys of one direction for either RTP or RTCP, and the cipher that holds them. One IV a packet; nothing is allocated on the way.
@safe package final class SRTPTransform {
    enum Kind {
        case rtp, rtcp
    }
    package enum Direction {
        case send, receive
    }

    let profile: SRTPProfile
    /// Bytes of the tag: 16 (RFC 7714 clause 14.2) or 10 (RFC 3711 clause 5.2).
    let tagLength: Int
    private let cipher: OpaquePointer
    private let mac: PacketMAC?
    private let saltHigh: UInt64
    private let saltLow: UInt64
    /// 16 bytes of IV, 20 of MAC.
    private let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: 36)

    /// Derives the session keys from a master key.
    convenience init(_ kind: Kind, _ direction: Direction, _ profile: SRTPProfile, _ derivation: SRTPKeyDerivation) {
        let isGCM = profile == .aeadAES128GCM
        self.init(
            direction, profile, key: derivation.derive(kind == .rtp ? .rtpEncryption : .rtcpEncryption, count: 16),
            salt: derivation.derive(kind == .rtp ? .rtpSalt : .rtcpSalt, count: isGCM ? 12 : 14),
            authenticationKey: isGCM ? [] : derivation.derive(kind == .rtp ? .rtpAuthentication : .rtcpAuthentication, count: 20))
    }

    /// Session keys: 16 bytes of key; 12 of salt with GCM; 14 of salt and 20 of authentication key with CM.
    package init(_ direction: Direction, _ profile: SRTPProfile, key: [UInt8], salt: [UInt8], authenticationKey: [UInt8]) {
        self.profile = profile
        tagLength = profile == .aeadAES128GCM ? 16 : 10
        (saltHigh, saltLow) = Self.split(salt)
        guard let cipher = unsafe EVP_CIPHER_CTX_new() else { preconditionFailure("out of memory") }
        unsafe self.cipher = cipher
        let ready: Int32
        switch profile {
        case .aeadAES128GCM:
            mac = nil
            unsafe ready = EVP_CipherInit_ex(cipher, EVP_aes_128_gcm(), nil, key, nil, direction == .send ? 1 : 0)
        case .aes128CMHMACSHA1_80:
            mac = PacketMAC(key: authenticationKey)
            // Counter mode encrypts and decrypts alike.
            unsafe ready = EVP_CipherInit_ex(cipher, EVP_aes_128_ctr(), nil, key, nil, 1)
        }
        precondition(ready == 1, "OpenSSL's default provider has AES-128")
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(cipher)
        unsafe scratch.deallocate()
    }

    /// GCM: 4 + 8 bytes of 12; CM: 8 + 8 bytes of 14 and a block counter of zero.
    private static func split(_ salt: [UInt8]) -> (UInt64, UInt64) {
        let highLength = salt.count == 12 ? 4 : 8
        let padded = salt + [UInt8](repeating: 0, count: salt.count == 12 ? 0 : 2)
        let high = padded[..<highLength].reduce(0) { $0 << 8 | UInt64($1) }
        let low = padded[highLength...].reduce(0) { $0 << 8 | UInt64($1) }
        return (high, low)
    }

    // MARK: - Initialisation vectors

    /// RFC 7714 clauses 8.1 and 9.1; RFC 3711 clause 4.1.1. RTP's 48-bit and RTCP's 31-bit index stand in the same place.
    private func setIV(ssrc: UInt32, index: UInt64) -> Bool {
        let raw = unsafe UnsafeMutableRawPointer(scratch)
        switch profile {
        case .aeadAES128GCM:
            let high = UInt32(truncatingIfNeeded: saltHigh) ^ ssrc >> 16
            let low = saltLow ^ (UInt64(ssrc & 0xFFFF) << 48 | index)
            unsafe raw.storeBytes(of: high.bigEndian, as: UInt32.self)
            unsafe raw.storeBytes(of: low.bigEndian, toByteOffset: 4, as: UInt64.self)
        case .aes128CMHMACSHA1_80:
            unsafe raw.storeBytes(of: (saltHigh ^ UInt64(ssrc)).bigEndian, as: UInt64.self)
            unsafe raw.storeBytes(of: (saltLow ^ index << 16).bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return unsafe EVP_CipherInit_ex(cipher, nil, nil, nil, scratch, -1) == 1
    }

    // MARK: - AEAD

    /// Encrypts `body` in place and writes the tag. `trailer`: more associated data behind `header` (RTCP's index word).
    package func seal(
        header: UnsafeMutableRawBufferPointer, trailer: UnsafeRawBufferPointer?, body: UnsafeMutableRawBufferPointer,
        tag: UnsafeMutableRawPointer, ssrc: UInt32, index: UInt64
    ) {
        var written: Int32 = 0
        let sealed =
            unsafe setIV(ssrc: ssrc, index: index) && associate(UnsafeRawBufferPointer(header)) && associate(trailer) && crypt(body)
            && EVP_CipherFinal_ex(cipher, scratch + 16, &written) == 1
            && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1
        precondition(sealed, "AES-GCM seals every packet")
    }

    /// Decrypts `body` in place; false: the tag does not fit, and `body` is worthless.
    func open(
        header: UnsafeMutableRawBufferPointer, trailer: UnsafeRawBufferPointer?, body: UnsafeMutableRawBufferPointer,
        tag: UnsafeMutableRawPointer, ssrc: UInt32, index: UInt64
    ) -> Bool {
        var written: Int32 = 0
        return unsafe setIV(ssrc: ssrc, index: index) && associate(UnsafeRawBufferPointer(header)) && associate(trailer) && crypt(body)
            && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1
            && EVP_CipherFinal_ex(cipher, scratch + 16, &written) == 1
    }

    private func associate(_ bytes: UnsafeRawBufferPointer?) -> Bool {
        guard let bytes = unsafe bytes, let base = bytes.baseAddress else { return true }
        var written: Int32 = 0
        return unsafe EVP_CipherUpdate(cipher, nil, &written, base.assumingMemoryBound(to: UInt8.self), Int32(bytes.count)) == 1
    }

    private func crypt(_ body: UnsafeMutableRawBufferPointer) -> Bool {
        guard let base = unsafe body.baseAddress?.assumingMemoryBound(to: UInt8.self), body.count > 0 else { return true }
        var written: Int32 = 0
        return unsafe EVP_CipherUpdate(cipher, base, &written, base, Int32(body.count)) == 1
    }

    // MARK: - Counter mode and HMAC-SHA1

    /// Encrypts or decrypts `body` in place.
    package func applyKeyStream(_ body: UnsafeMutableRawBufferPointer, ssrc: UInt32, index: UInt64) {
        let done = unsafe setIV(ssrc: ssrc, index: index) && crypt(body)
        precondition(done, "AES-CTR takes every packet")
    }

    /// The MAC over `bytes` and, for RTP, the roll-over counter (RFC 3711 clause 4.2); the first ten bytes of what is returned are the tag.
    func authenticate(_ bytes: UnsafeMutableRawBufferPointer, rollOver: UInt32?) -> UnsafeMutablePointer<UInt8> {
        let out = unsafe scratch + 16
        guard let mac else { preconditionFailure("GCM has its own tag") }
        unsafe mac.authenticate(bytes, rollOver, into: out)
        return unsafe out
    }

    func isAuthentic(_ bytes: UnsafeMutableRawBufferPointer, rollOver: UInt32?, tag: UnsafeRawPointer) -> Bool {
        unsafe CRYPTO_memcmp(authenticate(bytes, rollOver: rollOver), tag, tagLength) == 0
    }
}
