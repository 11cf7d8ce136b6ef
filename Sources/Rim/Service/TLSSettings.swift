import Crypto
import Glibc
import RTC
import Reactor
import Wire

/// How a server that people start speaks TLS.
public enum TLSSettings: Sendable {
    /// PEM files of one or more certificates, by name asked for (SNI), the first for all others; read anew when they change.
    case files([(certificate: String, key: String)])
    /// A certificate of its own making, new with every start; whoever connects compares its fingerprint.
    case selfSigned
}

/// TLS as it was asked for, and the fingerprint to say where no authority vouches for the certificate.
struct TLSService {
    let server: TLSServer
    /// SHA-256, `AB:CD:…`; nil for a certificate from files.
    let fingerprint: String?

    /// Browsers take no certificate for longer than 398 days.
    private static let days: Int64 = 397

    init(_ settings: TLSSettings, bind: [IPAddress]) throws(CryptoError) {
        switch settings {
        case .files(let files):
            server = try TLSServer(files.map { .files(certificate: $0.certificate, key: $0.key) })
            fingerprint = nil
        case .selfSigned:
            let addresses = bind.contains(where: \.isUnspecified) ? hostAddresses() : bind
            let names = ["localhost", hostName()].compactMap(\.self) + addresses.map(\.description)
            let certificate = try Certificate.selfSigned(
                commonName: "Waldo", names: names, unixTime: MonotonicClock.unixSeconds(), days: Self.days)
            server = try TLSServer([.certificate(certificate)])
            fingerprint = Hex.encode(certificate.fingerprint().digest, separator: ":").uppercased()
        }
    }
}

/// This machine's name, where it is one that a certificate can bear.
private func hostName() -> String? {
    var bytes = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&bytes, bytes.count - 1) == 0 else { return nil }
    let name = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let isName =
        !name.isEmpty && name.utf8.allSatisfy { ($0 | 32 >= 97 && $0 | 32 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 45 || $0 == 46 }
    return isName && name != "localhost" ? name : nil
}
