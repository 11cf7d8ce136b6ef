internal import COpenSSL
public import RTC

/// The digests of STUN and TURN on OpenSSL. Algorithms are looked up once, so that a call costs the digest alone.
@safe public final class OpenSSLDigests: Digests {
    private let sha1MAC: OpaquePointer
    private let sha256MAC: OpaquePointer
    private let md5Function: OpaquePointer
    private let sha1Function: OpaquePointer
    private let sha256Function: OpaquePointer

    public init() {
        guard let hmac1 = unsafe HMACContext.make("SHA1"), let hmac256 = unsafe HMACContext.make("SHA256"),
            let md5 = unsafe EVP_MD_fetch(nil, "MD5", nil), let sha1 = unsafe EVP_MD_fetch(nil, "SHA1", nil),
            let sha256 = unsafe EVP_MD_fetch(nil, "SHA256", nil)
        else { preconditionFailure("OpenSSL's default provider has MD5, SHA-1 and SHA-256") }
        unsafe sha1MAC = hmac1
        unsafe sha256MAC = hmac256
        unsafe md5Function = md5
        unsafe sha1Function = sha1
        unsafe sha256Function = sha256
    }

    deinit {
        unsafe EVP_MAC_CTX_free(sha1MAC)
        unsafe EVP_MAC_CTX_free(sha256MAC)
        unsafe EVP_MD_free(md5Function)
        unsafe EVP_MD_free(sha1Function)
        unsafe EVP_MD_free(sha256Function)
    }

    public func hmacSHA1(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] {
        unsafe Self.mac(sha1MAC, key, message, length: 20)
    }

    public func hmacSHA256(key: [UInt8], _ message: Span<UInt8>) -> [UInt8] {
        unsafe Self.mac(sha256MAC, key, message, length: 32)
    }

    public func md5(_ message: [UInt8]) -> [UInt8] { unsafe Self.digest(md5Function, message, length: 16) }

    /// For WebSocket handshakes (RFC 6455 clause 4.2.2), where it protects nothing.
    public func sha1(_ message: [UInt8]) -> [UInt8] { unsafe Self.digest(sha1Function, message, length: 20) }

    public func sha256(_ message: [UInt8]) -> [UInt8] { unsafe Self.digest(sha256Function, message, length: 32) }

    private static func mac(_ context: OpaquePointer, _ key: [UInt8], _ message: Span<UInt8>, length: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: length) { out, count in
            var written = 0
            let keyed = unsafe key.withNonNullPointer { unsafe EVP_MAC_init(context, $0, $1, nil) }
            let fed = unsafe message.withUnsafeBufferPointer { unsafe EVP_MAC_update(context, $0.baseAddress, $0.count) }
            let done = unsafe EVP_MAC_final(context, out.baseAddress, &written, length)
            precondition(keyed == 1 && fed == 1 && done == 1 && written == length, "HMAC takes every key and message")
            count = length
        }
    }

    private static func digest(_ function: OpaquePointer, _ message: [UInt8], length: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: length) { out, count in
            var written: UInt32 = 0
            let done = unsafe message.withNonNullPointer { unsafe EVP_Digest($0, $1, out.baseAddress, &written, function, nil) }
            precondition(done == 1 && Int(written) == length, "a digest takes every message")
            count = length
        }
    }
}

enum HMACContext {
    /// An HMAC over `digest` that waits for its key; the caller frees it.
    static func make(_ digest: String) -> OpaquePointer? {
        guard let mac = unsafe EVP_MAC_fetch(nil, "HMAC", nil) else { return nil }
        defer { unsafe EVP_MAC_free(mac) }  // the context keeps its own reference
        guard let context = unsafe EVP_MAC_CTX_new(mac) else { return nil }
        var value = Array(digest.utf8CString)
        // The parameter keeps both addresses: they have to live until it is used.
        let set = unsafe value.withUnsafeMutableBufferPointer { value in
            unsafe OSSL_MAC_PARAM_DIGEST.withCString { key in
                let parameters = unsafe [OSSL_PARAM_construct_utf8_string(key, value.baseAddress, 0), OSSL_PARAM_construct_end()]
                return unsafe EVP_MAC_CTX_set_params(context, parameters)
            }
        }
        guard set == 1 else {
            unsafe EVP_MAC_CTX_free(context)
            return nil
        }
        return unsafe context
    }
}
