internal import COpenSSL

/// The AES-CM key derivation of RFC 3711 clause 4.3, with a key derivation rate of 0.
package struct SRTPKeyDerivation {
    package enum Label: UInt8 {
        case rtpEncryption = 0, rtpAuthentication, rtpSalt, rtcpEncryption, rtcpAuthentication, rtcpSalt
    }

    private let masterKey: [UInt8]
    /// 14 bytes; a 12-byte salt (RFC 7714 clause 11) is followed by zeros.
    private let masterSalt: [UInt8]

    package init(key: [UInt8], salt: [UInt8]) {
        precondition(key.count == 16 && (salt.count == 12 || salt.count == 14), "SRTP master keys are 16 bytes, salts 12 or 14")
        masterKey = key
        masterSalt = salt + [UInt8](repeating: 0, count: 14 - salt.count)
    }

    /// `count` bytes of the key stream that `label` selects.
    package func derive(_ label: Label, count: Int) -> [UInt8] {
        var block = masterSalt + [0, 0]
        block[7] ^= label.rawValue
        guard let context = unsafe EVP_CIPHER_CTX_new() else { preconditionFailure("out of memory") }
        defer { unsafe EVP_CIPHER_CTX_free(context) }
        var bytes = [UInt8](repeating: 0, count: count)
        var written: Int32 = 0
        let started = unsafe EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), nil, masterKey, block)
        let done = unsafe bytes.withUnsafeMutableBufferPointer {
            unsafe EVP_EncryptUpdate(context, $0.baseAddress, &written, $0.baseAddress, Int32($0.count))
        }
        precondition(started == 1 && done == 1 && Int(written) == count, "AES-CTR takes every length")
        return bytes
    }
}
