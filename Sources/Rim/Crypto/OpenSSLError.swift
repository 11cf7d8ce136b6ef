internal import COpenSSL
internal import Glibc

/// What went wrong in a call that an operator can do something about: a damaged PEM file, a library that lacks an algorithm.
public struct CryptoError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was attempted, and OpenSSL's reason where it gave one.
    public let description: String

    init(_ attempt: String) {
        description = OpenSSLError.drain().map { "\(attempt): \($0)" } ?? attempt
    }
}

enum OpenSSLError {
    /// Whether the first error in the queue is that the two sides have no version, cipher suite, curve or signature in common.
    static var saysIncompatible: Bool {
        let reason = Int32(truncatingIfNeeded: ERR_peek_error() & 0x7F_FFFF)
        return [
            SSL_R_NO_SHARED_CIPHER, SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,
            SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SHARED_GROUPS,
        ].contains(reason)
    }

    /// Empties this thread's error queue; the first (deepest) error as text, nil when there was none.
    static func drain() -> String? {
        let code = ERR_get_error()
        guard code != 0 else { return nil }
        defer { ERR_clear_error() }
        // ERR_SYSTEM_FLAG: what follows is errno.
        if code & 1 << 31 != 0, let reason = unsafe strerror(Int32(code & 0x7FFF_FFFF)) { return unsafe String(cString: reason) }
        if let reason = unsafe ERR_reason_error_string(code) { return unsafe String(cString: reason) }
        return "error \(code)"
    }
}

/// Constants that OpenSSL's headers hide in casts or in macros with arguments.
enum Constant {
    static let verifyPeer = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    static let anyRetry = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY
    static let retryRead = BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY
}

extension [UInt8] {
    /// Never a null pointer, which OpenSSL takes as "no argument" rather than as "empty".
    func withNonNullPointer<Result>(_ body: (UnsafePointer<UInt8>, Int) -> Result) -> Result {
        unsafe withUnsafeBufferPointer { bytes in
            if let base = bytes.baseAddress, !bytes.isEmpty { return unsafe body(base, bytes.count) }
            var nothing: UInt8 = 0
            return unsafe withUnsafePointer(to: &nothing) { unsafe body($0, 0) }
        }
    }
}
