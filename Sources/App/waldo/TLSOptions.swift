import Service

/// How a server that people start is told to speak TLS.
enum TLSOptions {
    static let options: [Settings.Option] = [
        .init("tls-certificate", "FILE", "speak TLS with this certificate (PEM)"),
        .init("tls-key", "FILE", "its key"),
        .init("tls-self-signed", nil, "speak TLS with a certificate made now, and print its fingerprint"),
    ]

    static func tls(_ settings: Settings) -> TLSSettings? {
        let (certificate, key) = (settings.text("tls-certificate"), settings.text("tls-key"))
        if settings.isOn("tls-self-signed") {
            if certificate != nil || key != nil { fail("expected either --tls-self-signed or files, got both") }
            return .selfSigned
        }
        guard let certificate, let key else {
            if certificate != nil || key != nil { fail("--tls-certificate and --tls-key: expected both, got one") }
            return nil
        }
        return .files([(certificate, key)])
    }
}
