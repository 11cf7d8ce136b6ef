internal import COpenSSL
internal import Glibc
public import Wire

/// Who a TLS server is.
public enum TLSIdentity {
    /// PEM files: the server's certificate and those up to the authority; its private key, without a password.
    case files(certificate: String, key: String)
    /// Made here, for itself.
    case certificate(Certificate)
}

/// Makes the server's side of TLS connections. Files that changed are read anew, without a word to connections that are there. Lives on one thread.
@safe public final class TLSServer {
    private let identities: [TLSIdentity]
    private let protocols: [String]
    /// One an identity; those of connections that are there live on with them.
    private var contexts: [TLSContext]
    private var stamps: [FileStamp]
    private var looked: Instant?
    /// Files changed and could not be used; what was there before still serves. Told once a change.
    public var onProblem: ((CryptoError) -> Void)?
    /// Changed files were read: connections from now on are made with them.
    public var onReload: (() -> Void)?

    private static let lookInterval = Duration.seconds(1)

    /// A client that names none of the identities' names gets the first. `protocols`: what is spoken inside (ALPN), best first.
    public init(_ identities: [TLSIdentity], protocols: [String] = ["http/1.1"]) throws(CryptoError) {
        precondition(!identities.isEmpty, "a TLS server has an identity")
        (self.identities, self.protocols) = (identities, protocols)
        stamps = Self.stamps(identities)
        contexts = try Self.contexts(identities, protocols)
    }

    /// `now`: the files are looked at when they were not for a second.
    public func makeStream(at now: Instant) throws(CryptoError) -> TLSStream {
        if looked.map({ now - $0 >= Self.lookInterval }) ?? true {
            looked = now
            reloadWhenChanged()
        }
        return unsafe try TLSStream(contexts[0], contexts[0].context, as: .server)
    }

    private func reloadWhenChanged() {
        let found = Self.stamps(identities)
        guard found != stamps else { return }
        stamps = found
        do throws(CryptoError) {
            contexts = try Self.contexts(identities, protocols)
            onReload?()
        } catch { onProblem?(error) }
    }

    private static func contexts(_ identities: [TLSIdentity], _ protocols: [String]) throws(CryptoError) -> [TLSContext] {
        var contexts: [TLSContext] = []
        for identity in identities {
            let context = unsafe try TLSContext(TLS_server_method(), protocols: protocols)
            try context.use(identity)
            context.answerClients()
            contexts.append(context)
        }
        contexts[0].others = Array(contexts.dropFirst())
        return contexts
    }

    // MARK: files

    /// What of a file changes with its content.
    private struct FileStamp: Hashable {
        var inode: UInt64 = 0
        var size: Int64 = 0
        var seconds = 0
        var nanoseconds = 0
    }

    private static func stamps(_ identities: [TLSIdentity]) -> [FileStamp] {
        identities.flatMap { identity in
            guard case .files(let certificate, let key) = identity else { return [FileStamp]() }
            return [stamp(certificate), stamp(key)]
        }
    }

    private static func stamp(_ path: String) -> FileStamp {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return FileStamp() }
        return FileStamp(
            inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }
}
