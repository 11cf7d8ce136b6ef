internal import COpenSSL
public import RTC
import Wire

/// A self-signed ECDSA P-256 certificate with its private key: who this side is in DTLS (RFC 8827 clause 6.5), or a web server without an authority.
@safe public final class Certificate {
    let x509: OpaquePointer
    let key: OpaquePointer

    private init(takingOwnershipOf x509: OpaquePointer, key: OpaquePointer) {
        unsafe self.x509 = x509
        unsafe self.key = key
    }

    deinit {
        unsafe X509_free(x509)
        unsafe EVP_PKEY_free(key)
    }

    /// Makes a key and signs it. `unixTime`: seconds since 1970, now. Valid from a day before (clocks differ) for `days` days.
    /// `names`: DNS names and IP addresses of the server that it is for (RFC 5280 clause 4.2.1.6).
    public static func selfSigned(
        commonName: String = "WebRTC", names: [String] = [], unixTime: Int64, days: Int64 = 30
    ) throws(CryptoError) -> Certificate {
        guard let key = unsafe makeKey() else { throw CryptoError("cannot make a P-256 key") }
        guard let x509 = unsafe X509_new() else {
            unsafe EVP_PKEY_free(key)
            throw CryptoError("cannot make a certificate")
        }
        let certificate = unsafe Certificate(takingOwnershipOf: x509, key: key)
        guard unsafe add(names, to: x509) else { throw CryptoError("cannot name \(names.joined(separator: ", ")) in a certificate") }
        guard unsafe sign(x509, with: key, commonName: commonName, from: unixTime - 86_400, to: unixTime + days * 86_400) else {
            throw CryptoError("cannot sign the certificate")
        }
        return certificate
    }

    private static func makeKey() -> OpaquePointer? {
        guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, "EC", nil) else { return nil }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard unsafe EVP_PKEY_keygen_init(context) == 1, unsafe EVP_PKEY_CTX_set_group_name(context, "P-256") == 1,
            unsafe EVP_PKEY_generate(context, &key) == 1
        else { return nil }
        return unsafe key
    }

    private static func add(_ names: [String], to x509: OpaquePointer) -> Bool {
        guard !names.isEmpty else { return true }
        // The text below is OpenSSL's configuration language: only what a name is made of may come into it.
        guard names.allSatisfy({ $0.utf8.allSatisfy { isNameByte($0) } }) else { return false }
        let text = names.map { (IPAddress($0) == nil ? "DNS:" : "IP:") + $0 }.joined(separator: ",")
        guard let names = unsafe X509V3_EXT_nconf_nid(nil, nil, NID_subject_alt_name, text) else { return false }
        defer { unsafe X509_EXTENSION_free(names) }
        return unsafe X509_add_ext(x509, names, -1) == 1
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "*"), UInt8(ascii: ":"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func sign(_ x509: OpaquePointer, with key: OpaquePointer, commonName: String, from: Int64, to: Int64) -> Bool {
        let name = Array(commonName.utf8.prefix(64))  // RFC 5280 ub-common-name
        guard unsafe X509_set_version(x509, 2) == 1,
            unsafe ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), Entropy.random() >> 1 | 1) == 1,
            unsafe ASN1_TIME_set(X509_getm_notBefore(x509), Int(from)) != nil,
            unsafe ASN1_TIME_set(X509_getm_notAfter(x509), Int(to)) != nil,
            unsafe X509_set_pubkey(x509, key) == 1,
            let subject = unsafe X509_get_subject_name(x509),
            unsafe X509_NAME_add_entry_by_txt(subject, "CN", V_ASN1_UTF8STRING, name, Int32(name.count), -1, 0) == 1,
            unsafe X509_set_issuer_name(x509, subject) == 1
        else { return false }
        return unsafe X509_sign(x509, key, EVP_sha256()) > 0
    }

    /// For `a=fingerprint` (RFC 8122 clause 5).
    public func fingerprint(_ algorithm: Fingerprint.Algorithm = .sha256) -> Fingerprint {
        unsafe Fingerprint(of: x509, algorithm)
    }
}

extension Certificate {
    /// Certificate and private key, both as PEM text. Keep it secret.
    public func pem() throws(CryptoError) -> String {
        guard let memory = unsafe BIO_new(BIO_s_mem()) else { throw CryptoError("no memory for PEM text") }
        defer { unsafe BIO_free(memory) }
        guard unsafe PEM_write_bio_X509(memory, x509) == 1,
            unsafe PEM_write_bio_PrivateKey(memory, key, nil, nil, 0, nil, nil) == 1
        else { throw CryptoError("cannot write PEM text") }
        var text = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe BIO_read(memory, &text, Int32(text.count))
        return String(decoding: text.prefix(Int(max(count, 0))), as: UTF8.self)
    }

    /// Reads what `pem` wrote: a CERTIFICATE and its PRIVATE KEY in one text, in any order.
    public convenience init(pem: String) throws(CryptoError) {
        guard let x509 = unsafe Self.read(pem, { unsafe PEM_read_bio_X509($0, nil, nil, nil) }) else {
            throw CryptoError("expected a PEM text with a CERTIFICATE")
        }
        guard let key = unsafe Self.read(pem, { unsafe PEM_read_bio_PrivateKey($0, nil, nil, nil) }) else {
            unsafe X509_free(x509)
            throw CryptoError("expected a PEM text with an unencrypted PRIVATE KEY")
        }
        guard unsafe X509_check_private_key(x509, key) == 1 else {
            unsafe X509_free(x509)
            unsafe EVP_PKEY_free(key)
            throw CryptoError("the private key is not the certificate's")
        }
        unsafe self.init(takingOwnershipOf: x509, key: key)
    }

    private static func read(_ pem: String, _ parse: (OpaquePointer) -> OpaquePointer?) -> OpaquePointer? {
        let text = Array(pem.utf8.prefix(65_536))
        return unsafe text.withNonNullPointer { bytes, count in
            guard let memory = unsafe BIO_new_mem_buf(bytes, Int32(count)) else { return nil }
            defer { unsafe BIO_free(memory) }
            return unsafe parse(memory)
        }
    }
}

extension Fingerprint {
    init(of x509: OpaquePointer, _ algorithm: Algorithm) {
        let function =
            switch algorithm {
            case .sha256: unsafe EVP_sha256()
            case .sha384: unsafe EVP_sha384()
            case .sha512: unsafe EVP_sha512()
            }
        var digest = [UInt8](repeating: 0, count: algorithm.length)
        var length: UInt32 = 0
        let done = unsafe X509_digest(x509, function, &digest, &length)
        precondition(done == 1 && Int(length) == algorithm.length, "a certificate in memory can always be digested")
        self.init(algorithm: algorithm, digest: digest)
    }
}
